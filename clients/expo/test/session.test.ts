/** The screen's logic, fed by the real client from the service at CLIP_RANKER_URL. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ClipRanker } from "../../typescript/src/index.ts";
import { listed, reduce, type Listing, type Session } from "../src/session.ts";

const LISTINGS: Listing[] = ["coffee", "gone", "cat"].map((name) => ({
  auction_id: name,
  image_url: `example:${name}`,
  title: name,
}));
const names = ({ rows }: Session): string[] => rows.map(({ listing }) => listing.title);

async function ranked(): Promise<Session[]> {
  const url = process.env["CLIP_RANKER_URL"];
  const apiKey = process.env["CLIP_RANKER_KEY"];
  assert(url && apiKey);
  const client = new ClipRanker({ url, apiKey });
  const sessions = [reduce(listed(LISTINGS), { type: "started" })];
  const request = { query_image_url: "example:cat", candidates: LISTINGS };
  for await (const event of client.rankStream(request)) {
    sessions.push(reduce(sessions.at(-1)!, { type: "event", event }));
  }
  return sessions;
}

test("shows the list as searched before anything happens", () => {
  assert.deepEqual(names(listed(LISTINGS)), ["coffee", "gone", "cat"]);
});

test("ends with the most alike first and what failed last, with its reason", async () => {
  const last = (await ranked()).at(-1)!;
  assert.equal(last.phase, "ranked");
  assert.deepEqual(names(last), ["cat", "coffee", "gone"]);
  assert(last.rows[0]!.score! > last.rows[1]!.score!);
  assert.match(last.rows[2]!.failure!, /no such example/);
});

test("counts up to all of them, and never loses a row on the way", async () => {
  const sessions = await ranked();
  assert.deepEqual([...new Set(sessions.map(({ done }) => done))], [0, 1, 2, 3]);
  for (const session of sessions) assert.deepEqual(names(session).sort(), ["cat", "coffee", "gone"]);
});

test("undo brings back the search's own order", async () => {
  const undone = reduce((await ranked()).at(-1)!, { type: "undone" });
  assert.deepEqual(undone, listed(LISTINGS));
});

test("a problem brings the list back and says why", () => {
  const ranking = reduce(listed(LISTINGS), { type: "started" });
  const session = reduce(ranking, { type: "problem", problem: "no network" });
  assert.deepEqual(session, { ...listed(LISTINGS), problem: "no network" });
});

test("a photo that cannot be read leaves the last ranking as it is", async () => {
  const last = (await ranked()).at(-1)!;
  assert.deepEqual(reduce(last, { type: "problem", problem: "blurred" }), { ...last, problem: "blurred" });
});

test("an event that comes after the person gave up changes nothing", () => {
  const idle = reduce(reduce(listed(LISTINGS), { type: "started" }), { type: "undone" });
  const event = { type: "scored", index: 0, auction_id: "coffee", score: 1, done: 1, candidates: 3 } as const;
  assert.deepEqual(reduce(idle, { type: "event", event }), idle);
});

test("a new list replaces the old one", () => {
  const session = reduce(listed(LISTINGS), { type: "listed", listings: LISTINGS.slice(1) });
  assert.deepEqual(names(session), ["gone", "cat"]);
});
