/** Every error a call can end with, but for the reason of the caller's own `AbortSignal`. */

import type { Fault } from "./types.ts";

/** Base of all. `message` is for people, in English. */
export abstract class ClipRankerError extends Error {
  abstract readonly kind:
    | "bad_request"
    | "unauthorised"
    | "busy"
    | "unavailable"
    | "network"
    | "timeout";
}

/** The request is wrong; sending it again will not help. */
export class BadRequestError extends ClipRankerError {
  readonly kind = "bad_request";
  readonly status: number;
  /** One entry a fault, with the field it is in. */
  readonly faults: Fault[];

  constructor(message: string, status: number, faults: Fault[]) {
    super(message);
    this.name = "BadRequestError";
    this.status = status;
    this.faults = faults;
  }
}

/** The key is missing or wrong. */
export class UnauthorisedError extends ClipRankerError {
  readonly kind = "unauthorised";

  constructor(message: string) {
    super(message);
    this.name = "UnauthorisedError";
  }
}

/** The service has too much to do, or is starting or stopping; try again later. */
export class BusyError extends ClipRankerError {
  readonly kind = "busy";
  readonly retryAfterS: number;

  constructor(message: string, retryAfterS: number) {
    super(message);
    this.name = "BusyError";
    this.retryAfterS = retryAfterS;
  }
}

/** The service failed, or what answered is not the service. */
export class UnavailableError extends ClipRankerError {
  readonly kind = "unavailable";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.name = "UnavailableError";
    this.status = status;
  }
}

/** No answer, or only a part of one; or the request arrived too slowly (408). */
export class NetworkError extends ClipRankerError {
  readonly kind = "network";

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "NetworkError";
  }
}

/** No complete answer within `timeoutMs`. */
export class TimeoutError extends ClipRankerError {
  readonly kind = "timeout";

  constructor(timeoutMs: number) {
    super(`no complete answer within ${timeoutMs} ms`);
    this.name = "TimeoutError";
  }
}

const DEFAULT_RETRY_AFTER_S = 1;

/** The error that an answer of status 400 or more stands for. */
export async function errorOf(response: Response): Promise<ClipRankerError> {
  const { status } = response;
  const said = parsed(await response.text());
  const message = said.error ?? `HTTP ${status}`;
  if (status === 401 || status === 403) return new UnauthorisedError(message);
  if (status === 408) return new NetworkError(message);
  if (status === 429 || status === 503) {
    const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
    return new BusyError(message, Number.isNaN(seconds) ? DEFAULT_RETRY_AFTER_S : seconds);
  }
  if (status < 500) return new BadRequestError(message, status, said.detail ?? []);
  return new UnavailableError(message, status);
}

function parsed(text: string): { error?: string; detail?: Fault[] } {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    return {}; // a proxy's page
  }
}
