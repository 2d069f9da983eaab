/** One signal out of a time-out and the caller's own; old runtimes lack `AbortSignal.any`. */

import { TimeoutError } from "./errors.ts";

export class Deadline {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #callers: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #forward = (): void => this.#controller.abort();
  readonly #timeoutMs: number;
  #timedOut = false;

  constructor(timeoutMs: number, callers?: AbortSignal) {
    this.signal = this.#controller.signal;
    this.#callers = callers;
    this.#timeoutMs = timeoutMs;
    this.#timer = setTimeout(() => {
      this.#timedOut = true;
      this.#controller.abort();
    }, timeoutMs);
    if (callers?.aborted) this.#forward();
    callers?.addEventListener("abort", this.#forward);
  }

  /** Throws when the time is over or the caller gave up. */
  check(): void {
    if (this.#callers?.aborted) throw this.#callers.reason ?? abortError();
    if (this.#timedOut) throw new TimeoutError(this.#timeoutMs);
  }

  /** Waits, or throws as `check` does when it is over before. */
  async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.check();
  }

  /** Lets go of the timer and the caller's signal. */
  end(): void {
    clearTimeout(this.#timer);
    this.#callers?.removeEventListener("abort", this.#forward);
  }
}

function abortError(): Error {
  const error = new Error("the call was aborted");
  error.name = "AbortError";
  return error;
}
