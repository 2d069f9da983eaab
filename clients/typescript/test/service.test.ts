/** Against the running service at CLIP_RANKER_URL, which wants the key in CLIP_RANKER_KEY. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BadRequestError, ClipRanker, UnauthorisedError, type RankEvent } from "../src/index.ts";

const url = process.env["CLIP_RANKER_URL"];
const apiKey = process.env["CLIP_RANKER_KEY"];
assert(url && apiKey, "CLIP_RANKER_URL and CLIP_RANKER_KEY name the service to test against");
const client = new ClipRanker({ url, apiKey });

const candidates = ["coffee", "cat", "gone", "rocket"].map((name) => ({
  auction_id: `id of ${name}`,
  image_url: `example:${name}`,
  title: "ねこ",
}));
const request = { query_image_url: "example:cat", candidates };

test("ranks, and says which failed and why", async () => {
  const { results, failed, meta } = await client.rank(request);
  assert.equal(results[0]?.auction_id, "id of cat");
  assert.deepEqual(results.map(({ rank }) => rank), [1, 2, 3]);
  assert.deepEqual(failed.map(({ auction_id, reason }) => [auction_id, reason]), [["id of gone", "download_failed"]]);
  assert.deepEqual([meta.candidates, meta.succeeded, meta.failed], [4, 3, 1]);
});

test("streams one event a candidate, and last what rank answers", async () => {
  const events: RankEvent[] = [];
  for await (const event of client.rankStream(request)) events.push(event);
  const answer = events.pop();
  assert(answer?.type === "answer");
  assert.deepEqual(answer.answer.results.map(({ auction_id }) => auction_id)[0], "id of cat");
  const indices = events.map((event) => (event.type === "answer" ? -1 : event.index));
  assert.deepEqual(indices.sort(), [0, 1, 2, 3]);
  assert.deepEqual(events.map((event) => event.type).sort(), ["failed", "scored", "scored", "scored"]);
});

test("what was prefetched is counted", async () => {
  const { accepted, known, refused } = await client.prefetch({ candidates });
  assert.equal(accepted + known + refused, candidates.length);
});

test("several photos count by the one that is most alike, and a least score leaves out", async () => {
  const picture = await (await fetch(`${url}/examples/rocket.jpg`)).arrayBuffer();
  const photo = Buffer.from(picture).toString("base64");
  const several = { candidates, query_images_base64: [photo, photo], min_score: 0.99 };
  const { results, meta } = await client.rank(several);
  assert.deepEqual(results.map(({ auction_id }) => auction_id), ["id of rocket"]);
  assert.equal(meta.below_min_score, 2);
});

test("what a person says of a listing is written once", async () => {
  const { results, meta } = await client.rank(request);
  assert(meta.request_id && results[0] && results[1]);
  const verdict = { request_id: meta.request_id, auction_id: results[0].auction_id, same: true };
  assert.deepEqual(await client.feedback(verdict), { outcome: "written" });
  assert.deepEqual(await client.feedback(verdict), { outcome: "known" });
  const wrong = { ...verdict, auction_id: results[1].auction_id, same: false };
  assert.deepEqual(await client.feedback(wrong), { outcome: "written" });
  await assert.rejects(client.feedback({ ...verdict, request_id: "forgotten" }), (error) => {
    assert(error instanceof BadRequestError);
    assert.deepEqual([error.status, error.faults[0]?.field], [404, "request_id"]);
    return true;
  });
});

test("ranks with the model that is named, of those that the service has", async () => {
  const { default: usual, models } = await client.models();
  assert.deepEqual([usual, models.length], [models[0]?.name, 2]);
  for (const { name } of models) {
    const { meta } = await client.rank({ ...request, model: name });
    assert.deepEqual([meta.model, meta.succeeded], [name, 3]);
    const { known } = await client.prefetch({ candidates, model: name });
    assert.equal(known, 3);
  }
  await assert.rejects(client.rank({ ...request, model: "nobody" }), (error) => {
    assert(error instanceof BadRequestError);
    assert.deepEqual(error.faults.map(({ field }) => field), ["model"]);
    return true;
  });
});

test("says what is wrong with a request, streamed or not", async () => {
  const wrong = { ...request, image_resize: 1 };
  for (const call of [client.rank(wrong), client.rankStream(wrong).next()]) {
    await assert.rejects(call, (error) => {
      assert(error instanceof BadRequestError);
      assert.equal(error.faults[0]?.field, "image_resize");
      return true;
    });
  }
});

test("wants the key", async () => {
  await assert.rejects(new ClipRanker({ url }).rank(request), UnauthorisedError);
});

test("is well", async () => {
  assert.equal(await client.health(), true);
});
