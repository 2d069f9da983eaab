/** The calls of the service. */

import { Deadline } from "./deadline.ts";
import { BusyError, errorOf, NetworkError, UnavailableError } from "./errors.ts";
import { linesOf } from "./lines.ts";
import type {
  FeedbackRequest,
  FeedbackResponse,
  ModelsResponse,
  PrefetchRequest,
  PrefetchResponse,
  RankEvent,
  RankRequest,
  RankResponse,
} from "./types.ts";

export interface ClientOptions {
  /** Of the service, as in `https://clip.example.com`; a path is kept. */
  url: string;
  /** Sent as `Authorization: Bearer …`; ASCII without spaces, or the constructor throws. */
  apiKey?: string;
  /**
   * For a whole call, retry included; 90000 when left out. After 60 s the service answers what it
   * has by then (`CLIP_REQUEST_TIMEOUT_S`): who waits no longer than that never gets it.
   */
  timeoutMs?: number;
  /** Longest wait before the one retry that a busy service asks for; 5000 when left out. */
  maxRetryWaitMs?: number;
  /** `fetch` of `expo/fetch` streams on phones; the global one when left out. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

export interface CallOptions {
  /** Aborting it ends the call with its reason, and the work in the service. */
  signal?: AbortSignal;
  /** Instead of the client's, for this call. */
  timeoutMs?: number;
}

const NETWORK_RETRY_MS = 250;
const KEY = /^[\x21-\x7e]+$/; // what a header takes

type Read<T> = (response: Response) => Promise<T>;

export class ClipRanker {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs: number;
  readonly #maxRetryWaitMs: number;
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>;

  constructor({ url, apiKey, timeoutMs, maxRetryWaitMs, fetch: ownFetch }: ClientOptions) {
    this.#url = url.replace(/\/+$/, "");
    this.#headers = { "Content-Type": "application/json" };
    if (apiKey && !KEY.test(apiKey)) throw new TypeError("apiKey: a key is ASCII without spaces");
    if (apiKey) this.#headers["Authorization"] = `Bearer ${apiKey}`;
    this.#timeoutMs = timeoutMs ?? 90_000;
    this.#maxRetryWaitMs = maxRetryWaitMs ?? 5_000;
    this.#fetch = ownFetch ?? ((input, init) => fetch(input, init)); // unbound, browsers refuse it
  }

  /** Ranks the candidates by their likeness to the photo. */
  async rank(request: RankRequest, options: CallOptions = {}): Promise<RankResponse> {
    return this.#json<RankResponse>("/rank", request, options);
  }

  /** As `rank`, and tells of each candidate as soon as it is known; the answer comes last. */
  async *rankStream(request: RankRequest, options: CallOptions = {}): AsyncGenerator<RankEvent> {
    const deadline = this.#deadline(options);
    try {
      const response = await this.#ask("/rank/stream", request, deadline, async (it) => it);
      for await (const line of linesOf(response)) {
        const event = eventOf(line);
        yield event;
        if (event.type === "answer") return;
      }
      throw new NetworkError("the stream ended before the answer");
    } catch (error) {
      throw explained(error, deadline);
    } finally {
      deadline.end();
    }
  }

  /** Has the service download and embed in the background what a ranking will need soon. */
  async prefetch(request: PrefetchRequest, options: CallOptions = {}): Promise<PrefetchResponse> {
    return this.#json<PrefetchResponse>("/prefetch", request, options);
  }

  /**
   * Tells the service whether a listing is the very item of the photo. A service that takes no
   * feedback, or has forgotten the ranking, makes it a `BadRequestError` of status 404.
   */
  async feedback(request: FeedbackRequest, options: CallOptions = {}): Promise<FeedbackResponse> {
    return this.#json<FeedbackResponse>("/feedback", request, options);
  }

  /** The models that a request may name, the default first. */
  async models(options: CallOptions = {}): Promise<ModelsResponse> {
    return this.#json<ModelsResponse>("/models", undefined, options);
  }

  /** Whether the service can rank now. Never throws but for the caller's own signal. */
  async health(options: CallOptions = {}): Promise<boolean> {
    const deadline = this.#deadline(options);
    try {
      const response = await this.#fetch(`${this.#url}/healthz`, { signal: deadline.signal });
      return response.status === 200 && (await response.text()) === "ok";
    } catch {
      if (options.signal?.aborted) deadline.check();
      return false;
    } finally {
      deadline.end();
    }
  }

  async #json<T>(path: string, body: unknown, options: CallOptions): Promise<T> {
    const deadline = this.#deadline(options);
    try {
      return await this.#ask(path, body, deadline, jsonOf<T>);
    } finally {
      deadline.end();
    }
  }

  #deadline({ signal, timeoutMs }: CallOptions): Deadline {
    return new Deadline(timeoutMs ?? this.#timeoutMs, signal);
  }

  /**
   * Without a body it is a GET. One retry, of reading too: asking twice changes nothing in the
   * service but its load.
   */
  async #ask<T>(path: string, body: unknown, deadline: Deadline, read: Read<T>): Promise<T> {
    const text = body === undefined ? null : JSON.stringify(body);
    try {
      return await this.#attempt(path, text, deadline, read);
    } catch (error) {
      const waitMs = this.#retryWaitMs(error);
      if (waitMs === null) throw error;
      await deadline.pause(waitMs);
    }
    return this.#attempt(path, text, deadline, read);
  }

  async #attempt<T>(
    path: string,
    body: string | null,
    deadline: Deadline,
    read: Read<T>,
  ): Promise<T> {
    const { signal } = deadline;
    const init = { method: body === null ? "GET" : "POST", headers: this.#headers, body, signal };
    try {
      deadline.check();
      const response = await this.#fetch(this.#url + path, init);
      if (!response.ok) throw await errorOf(response);
      return await read(response);
    } catch (error) {
      throw explained(error, deadline);
    }
  }

  /** How long to wait before the retry; null when another try would not help or be too late. */
  #retryWaitMs(error: unknown): number | null {
    if (error instanceof NetworkError) return NETWORK_RETRY_MS;
    if (!(error instanceof BusyError)) return null;
    const waitMs = error.retryAfterS * 1000;
    return waitMs <= this.#maxRetryWaitMs ? waitMs : null;
  }
}

async function jsonOf<T>(response: Response): Promise<T> {
  const text = await response.text();
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new UnavailableError("the answer is not JSON", response.status);
  }
}

function eventOf(line: string): RankEvent {
  let event: RankEvent | { type: "error"; error: string };
  try {
    event = JSON.parse(line) as typeof event;
  } catch (error) {
    throw new NetworkError("the stream broke off in the middle of a line", error);
  }
  if (event.type === "error") throw new UnavailableError(event.error, 200);
  return event;
}

/** Tells the caller's abort, the time-out and a broken connection apart; fetch does not. */
function explained(error: unknown, deadline: Deadline): unknown {
  if (error instanceof Error && "kind" in error) return error;
  try {
    deadline.check();
  } catch (why) {
    return why;
  }
  return new NetworkError("the service could not be reached, or the connection broke", error);
}
