/* Talks to the service: streams where it can, waits where it cannot. */

/** An answer that is no ranking. `status` is 0 when there was none at all. */
export class ServiceError extends Error {
  constructor(status, sentence, retryAfterS) {
    super(sentence);
    this.status = status;
    this.retryAfterS = retryAfterS;
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
    yield { type: "answer", answer: await (await accepted(response)).json() };
    return;
  }
  for await (const line of lines(await accepted(response))) {
    const event = JSON.parse(line);
    if (event.type === "error") throw new ServiceError(response.status, event.error);
    yield event;
    if (event.type === "answer") return;
  }
  throw new ServiceError(0, "broken");
}

async function post(path, request, { key, signal }) {
  const headers = { "Content-Type": "application/json" };
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
  const said = await response.json().catch(() => ({}));
  const sentence = said.error ?? `HTTP ${response.status}`;
  const retryAfter = Number.parseInt(response.headers.get("Retry-After"), 10);
  throw new ServiceError(response.status, sentence, Number.isNaN(retryAfter) ? null : retryAfter);
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
    if (error.name === "AbortError") throw error;
    throw new ServiceError(0, "broken");
  } finally {
    reader.cancel().catch(() => {});
  }
  if (rest.trim()) yield rest;
}
