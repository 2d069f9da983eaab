import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BadRequestError,
  BusyError,
  ClipRanker,
  NetworkError,
  TimeoutError,
  UnauthorisedError,
  UnavailableError,
  type RankEvent,
} from "../src/index.ts";
import { breakOff, hangUp, json, never, Stand, type Handler } from "./server.ts";

const REQUEST = { query_image_url: "example:cat", candidates: [] };
const ANSWER = { results: [], failed: [], meta: {} };
const BUSY = json(503, { error: "the model is starting", detail: [] }, { "Retry-After": "0" });

async function collected(events: AsyncIterable<RankEvent>): Promise<RankEvent[]> {
  const all: RankEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const streamed =
  (...parts: (string | Buffer)[]): Handler =>
  async (_, response) => {
    response.writeHead(200, { "Content-Type": "application/x-ndjson" });
    for (const part of parts) {
      response.write(part);
      await new Promise(setImmediate);
    }
    response.end();
  };

test("sends the request as it is, with the key, to the path under the URL", async () => {
  await using stand = await Stand.start(json(200, ANSWER));
  const client = new ClipRanker({ url: `${stand.url}/clip/`, apiKey: "secret" });
  assert.deepEqual(await client.rank(REQUEST), ANSWER);
  assert.deepEqual(stand.seen, [
    { path: "/clip/rank", body: JSON.stringify(REQUEST), key: "Bearer secret" },
  ]);
});

test("a wrong request is a BadRequestError with its faults and is not sent again", async () => {
  const detail = [{ field: "top_k", message: "must be at least 1" }];
  await using stand = await Stand.start(json(400, { error: "top_k: must be at least 1", detail }));
  await assert.rejects(new ClipRanker({ url: stand.url }).rank(REQUEST), (error) => {
    assert(error instanceof BadRequestError);
    assert.deepEqual([error.status, error.faults], [400, detail]);
    assert.match(error.message, /top_k/);
    return true;
  });
  assert.equal(stand.seen.length, 1);
});

test("401 is an UnauthorisedError", async () => {
  await using stand = await Stand.start(json(401, { error: "send the key", detail: [] }));
  await assert.rejects(new ClipRanker({ url: stand.url }).prefetch({ candidates: [] }), UnauthorisedError);
});

test("the models are read, without a body, and once more when the connection breaks", async () => {
  const answer = { default: "m", models: [] };
  await using stand = await Stand.start(hangUp, json(200, answer));
  assert.deepEqual(await new ClipRanker({ url: stand.url }).models(), answer);
  assert.deepEqual(stand.seen.map(({ path, body }) => [path, body]), [["/models", ""], ["/models", ""]]);
});

test("a busy service is asked once more after the time it names", async () => {
  await using stand = await Stand.start(BUSY, json(200, ANSWER));
  assert.deepEqual(await new ClipRanker({ url: stand.url }).rank(REQUEST), ANSWER);
  assert.equal(stand.seen.length, 2);
});

test("a service that stays busy is a BusyError after two tries", async () => {
  await using stand = await Stand.start(BUSY);
  await assert.rejects(new ClipRanker({ url: stand.url }).rank(REQUEST), BusyError);
  assert.equal(stand.seen.length, 2);
});

test("a service busy for longer than the bound is not waited for", async () => {
  await using stand = await Stand.start(json(429, { error: "later" }, { "Retry-After": "60" }));
  await assert.rejects(new ClipRanker({ url: stand.url }).rank(REQUEST), { kind: "busy", retryAfterS: 60 });
  assert.equal(stand.seen.length, 1);
});

test("a broken connection is tried once more", async () => {
  await using stand = await Stand.start(hangUp, json(200, ANSWER));
  assert.deepEqual(await new ClipRanker({ url: stand.url }).rank(REQUEST), ANSWER);
});

test("a connection that breaks inside the answer is tried once more", async () => {
  await using stand = await Stand.start(breakOff, json(200, ANSWER), json(400, { error: "no", detail: [] }));
  assert.deepEqual(await new ClipRanker({ url: stand.url }).rank(REQUEST), ANSWER);
  assert.equal(stand.seen.length, 2);
});

test("a request that arrived too slowly is sent once more", async () => {
  await using stand = await Stand.start(json(408, { error: "too slow", detail: [] }), json(200, ANSWER));
  assert.deepEqual(await new ClipRanker({ url: stand.url }).rank(REQUEST), ANSWER);
});

test("a key that no header takes is refused at once, and not quoted", () => {
  for (const apiKey of ["\u9375", "secret\n", "se cret"]) {
    assert.throws(() => new ClipRanker({ url: "http://localhost", apiKey }), (error) => {
      assert(error instanceof TypeError);
      assert(!error.message.includes(apiKey.trim()));
      return true;
    });
  }
});

test("waits for longer than the service takes to answer what it has", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const silent = (_: string, { signal }: RequestInit): Promise<Response> =>
    new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const client = new ClipRanker({ url: "http://localhost", fetch: silent, maxRetryWaitMs: 0 });
  let over = false;
  const call = client.rank(REQUEST).finally(() => (over = true));
  const rejected = assert.rejects(call, TimeoutError);
  t.mock.timers.tick(75_000);
  await new Promise(setImmediate);
  assert.equal(over, false);
  t.mock.timers.tick(15_000);
  await rejected;
});

test("a connection that breaks twice is a NetworkError", async () => {
  await using stand = await Stand.start(hangUp);
  await assert.rejects(new ClipRanker({ url: stand.url }).rank(REQUEST), NetworkError);
  assert.equal(stand.seen.length, 2);
});

test("a proxy's page is an UnavailableError, never a SyntaxError", async () => {
  const page: Handler = (_, response) => response.writeHead(502).end("<html>");
  await using stand = await Stand.start(page, (_, response) => response.end("<html>"));
  const client = new ClipRanker({ url: stand.url });
  await assert.rejects(client.rank(REQUEST), UnavailableError);
  await assert.rejects(client.rank(REQUEST), UnavailableError);
});

test("no answer in time is a TimeoutError, and the connection is let go", async () => {
  await using stand = await Stand.start(never);
  await assert.rejects(new ClipRanker({ url: stand.url }).rank(REQUEST, { timeoutMs: 50 }), TimeoutError);
  await stand.hungUp;
});

test("the wait for the retry counts into the time-out", async () => {
  await using stand = await Stand.start(json(503, { error: "later" }, { "Retry-After": "4" }));
  await assert.rejects(new ClipRanker({ url: stand.url, timeoutMs: 50 }).rank(REQUEST), TimeoutError);
});

test("an abort ends the call with the caller's own reason", async () => {
  const abort = new AbortController();
  await using stand = await Stand.start(() => abort.abort(new Error("left the screen")));
  await assert.rejects(new ClipRanker({ url: stand.url }).rank(REQUEST, { signal: abort.signal }), {
    message: "left the screen",
  });
  await stand.hungUp;
});

test("a call aborted before it began sends nothing", async () => {
  await using stand = await Stand.start(never);
  const call = new ClipRanker({ url: stand.url }).rank(REQUEST, { signal: AbortSignal.abort() });
  await assert.rejects(call, { name: "AbortError" });
  assert.equal(stand.seen.length, 0);
});

const SCORED = '{"type":"scored","index":0,"auction_id":"猫","score":0.5,"done":1,"candidates":1}\n';
const LAST = `${JSON.stringify({ type: "answer", answer: ANSWER })}\n`;

test("a stream cut at any byte gives the same events", async () => {
  const bytes = Buffer.from(SCORED + LAST);
  const cuts = [...Array(bytes.length).keys()].map((at) => bytes.subarray(at, at + 1));
  await using stand = await Stand.start(streamed(...cuts));
  const events = await collected(new ClipRanker({ url: stand.url }).rankStream(REQUEST));
  assert.deepEqual(events, [JSON.parse(SCORED), { type: "answer", answer: ANSWER }]);
});

test("a fetch without body streams gives the same events at the end", async () => {
  await using stand = await Stand.start(streamed(SCORED, LAST));
  const wholly = async (url: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(url, init);
    const text = await response.text();
    return { ok: true, status: 200, body: null, text: async () => text } as unknown as Response;
  };
  const client = new ClipRanker({ url: stand.url, fetch: wholly });
  assert.equal((await collected(client.rankStream(REQUEST))).length, 2);
});

test("an event comes out before the next was sent", async () => {
  let release = (): void => undefined;
  const held: Handler = (_, response) => {
    response.write(SCORED);
    release = () => response.end(LAST);
  };
  await using stand = await Stand.start(held);
  const events = new ClipRanker({ url: stand.url }).rankStream(REQUEST);
  assert.equal((await events.next()).value.type, "scored");
  release();
  assert.equal((await events.next()).value.type, "answer");
  assert.equal((await events.next()).done, true);
});

test("a stream that ends early or in the middle of a line is a NetworkError", async () => {
  await using stand = await Stand.start(streamed(SCORED), streamed(SCORED, LAST.slice(0, 9)));
  const client = new ClipRanker({ url: stand.url });
  await assert.rejects(collected(client.rankStream(REQUEST)), NetworkError);
  await assert.rejects(collected(client.rankStream(REQUEST)), NetworkError);
});

test("an error in a stream is an UnavailableError", async () => {
  await using stand = await Stand.start(streamed(SCORED, '{"type":"error","error":"gone","detail":[]}\n'));
  await assert.rejects(collected(new ClipRanker({ url: stand.url }).rankStream(REQUEST)), {
    kind: "unavailable",
    message: "gone",
  });
});

test("leaving the loop hangs up, so that the service stops working", async () => {
  await using stand = await Stand.start((_, response) => response.write(SCORED));
  for await (const event of new ClipRanker({ url: stand.url }).rankStream(REQUEST)) {
    assert.equal(event.type, "scored");
    break;
  }
  await stand.hungUp;
});

test("health is a plain yes or no", async () => {
  await using stand = await Stand.start((_, response) => response.end("ok"), BUSY, hangUp);
  const client = new ClipRanker({ url: stand.url });
  assert.deepEqual([await client.health(), await client.health(), await client.health()], [true, false, false]);
});
