/** What the hook does, without React: the real client and the service at CLIP_RANKER_URL. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ClipRanker, ClipRankerError } from "../../typescript/src/index.ts";
import { newControl } from "../src/control.ts";
import { listed, reduce, type Action, type Listing } from "../src/session.ts";

const LISTINGS: Listing[] = ["coffee", "cat"].map((name) => ({
  auction_id: name,
  image_url: `example:${name}`,
  title: name,
}));

interface Asked {
  path: string;
  signal: AbortSignal | null;
}

/** A control whose session can be watched, and what it asked the service for. */
function screen(url = process.env["CLIP_RANKER_URL"]) {
  const apiKey = process.env["CLIP_RANKER_KEY"];
  assert(url && apiKey);
  const asked: Asked[] = [];
  const client = new ClipRanker({
    url,
    apiKey,
    fetch: (to, init) => {
      asked.push({ path: new URL(to).pathname, signal: init?.signal ?? null });
      return fetch(to, init);
    },
  });
  const shown = { session: listed(LISTINGS), actions: [] as string[] };
  const dispatch = (action: Action) => {
    shown.actions.push(action.type);
    shown.session = reduce(shown.session, action);
  };
  const explain = (error: unknown) => (error instanceof ClipRankerError ? error.message : null);
  const control = newControl(client, LISTINGS, dispatch, explain);
  return { asked, shown, control };
}

const photo = async (): Promise<string> => {
  const answer = await fetch(`${process.env["CLIP_RANKER_URL"]}/examples/cat.jpg`);
  return Buffer.from(await answer.arrayBuffer()).toString("base64");
};

test("a list that opens is prefetched, and leaving ends that and the ranking", async () => {
  const { asked, shown, control } = screen();
  const data = await photo();
  const leave = control.open();
  assert.deepEqual(shown.actions, ["listed"]);
  const ranking = control.rank(data);
  leave();
  await ranking;
  assert.deepEqual(asked.map(({ path }) => path), ["/prefetch", "/rank/stream"]);
  assert(asked.every(({ signal }) => signal?.aborted));
  assert.equal(shown.session.problem, null);
});

test("ranks the list", async () => {
  const { shown, control } = screen();
  await control.rank(await photo());
  assert.equal(shown.session.phase, "ranked");
  assert.equal(shown.session.rows[0]?.listing.title, "cat");
});

test("stop brings the list back at once and nothing comes after it", async () => {
  const { shown, control } = screen();
  const ranking = control.rank(await photo());
  control.stop();
  await ranking;
  assert.deepEqual(shown.session, listed(LISTINGS));
  assert.equal(shown.actions.at(-1), "undone");
});

test("a second ranking ends the first", async () => {
  const { asked, shown, control } = screen();
  const data = await photo();
  const first = control.rank(data);
  await Promise.all([first, control.rank(data)]);
  const streams = asked.filter(({ path }) => path === "/rank/stream");
  assert.deepEqual(streams.map(({ signal }) => signal?.aborted), [true, false]);
  assert.equal(shown.session.phase, "ranked");
});

test("what goes wrong is told", async () => {
  const { shown, control } = screen("http://127.0.0.1:9");
  await control.rank("AAAA");
  assert.equal(shown.session.phase, "idle");
  assert(shown.session.problem);
});
