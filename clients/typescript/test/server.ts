/** A real HTTP server on loopback whose answers a test decides. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export class Stand {
  readonly seen: { path: string; body: string; key: string | undefined }[] = [];
  /** Resolves when a client hung up before its answer was complete. */
  readonly hungUp: Promise<void>;
  readonly #server: Server;

  private constructor(handlers: Handler[]) {
    let hungUp = (): void => undefined;
    this.hungUp = new Promise((resolve) => (hungUp = resolve));
    this.#server = createServer((request, response) => {
      let body = "";
      request.on("data", (part: Buffer) => (body += part.toString()));
      response.on("close", () => response.writableFinished || hungUp());
      request.on("end", () => {
        this.seen.push({ path: request.url ?? "", body, key: request.headers.authorization });
        const handler = handlers[Math.min(this.seen.length, handlers.length) - 1];
        handler?.(request, response);
      });
    });
  }

  /** The n-th request goes to the n-th handler, the last one takes all further ones. */
  static async start(...handlers: Handler[]): Promise<Stand> {
    const stand = new Stand(handlers);
    await new Promise<void>((resolve) => stand.#server.listen(0, "127.0.0.1", resolve));
    return stand;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Handler =>
  (_, response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };

export const hangUp: Handler = (request) => request.socket.destroy();
/** Announces more than it brings. */
export const breakOff: Handler = (request, response) => {
  response.writeHead(200, { "Content-Length": "100" });
  response.write('{"results":', () => request.socket.destroy());
};
export const never: Handler = () => undefined;
