/* Talks to the service: streams where it can, waits where it cannot. */

import { isKey } from "./key.js";

/**
 * An answer that is no ranking. `status` is 0 when there was none at all, or only a part of one:
 * the sentence is then `unreachable` or `broken`. `detail` is the service's, one entry a fault.
 */
export class ServiceError extends Error {
  constructor(status, sentence, { retryAfterS = null, detail = [] } = {}) {
    super(sentence);
    this.status = status;
    this.retryAfterS = retryAfterS;
    this.detail = detail ?? [];
  }
}

/**
 * Events of one ranking: `scored` and `failed` as they happen where the service streams, and an
 * `answer` last.
 *
 * @param {object} request as POST /rank takes it
 * @param {{key: string, signal: AbortSignal}} options
 * @throws {ServiceError}
 */
export async function* rank(request, options) {
  let response = await post("rank/stream", request, options);
  if (response.status === 404) {
    response = await post("rank", request, options);
    yield { type: "answer", answer: await whole(await accepted(response)) };
    return;
  }
  for await (const line of lines(await accepted(response))) {
    const event = parsed(line);
    if (event.type === "error") throw new ServiceError(response.status, event.error);
    yield event;
    if (event.type === "answer") return;
  }
  throw new ServiceError(0, "broken");
}

async function post(path, request, { key, signal }) {
  const headers = { "Content-Type": "application/json" };
  if (key && !isKey(key)) throw new ServiceError(401, "this is no key");
  if (key) headers.Authorization = `Bearer ${key}`;
  try {
    return await fetch(path, { method: "POST", headers, body: JSON.stringify(request), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError(0, "unreachable");
  }
}

async function accepted(response) {
  if (response.ok) return response;
  const { error, detail } = (await response.json().catch(() => null)) ?? {};
  const retryAfterS = Number.parseInt(response.headers.get("Retry-After"), 10) || null;
  if (!error && !retryAfterS && response.status >= 500) throw new ServiceError(0, "unreachable");
  throw new ServiceError(response.status, error ?? `HTTP ${response.status}`, { retryAfterS, detail });
}

async function whole(response) {
  try {
    return parsed(await response.text());
  } catch (error) {
    throw cut(error);
  }
}

/** An object out of JSON; anything else is half an answer, or somebody else's. */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value) return value;
  } catch {
    // Told below.
  }
  throw new ServiceError(0, "broken");
}

/** What reading a body failed with, for the one who asked. */
function cut(error) {
  return error.name === "AbortError" ? error : new ServiceError(0, "broken");
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const complete = (rest + value).split("\n");
      rest = complete.pop();
      yield* complete.filter(Boolean);
    }
  } catch (error) {
    throw cut(error);
  } finally {
    reader.cancel().catch(() => {});
  }
  if (rest.trim()) yield rest;
}
