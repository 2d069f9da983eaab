/** The hook itself, in React without a screen, with the real client and the service. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { act, createElement } from "react";
import { create, type ReactTestRenderer } from "react-test-renderer";
import { ClipRanker } from "../../typescript/src/index.ts";
import { listed, type Listing } from "../src/session.ts";
import { useRanking } from "../src/useRanking.ts";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const LISTINGS: Listing[] = ["coffee", "cat"].map((name) => ({
  auction_id: name,
  image_url: `example:${name}`,
  title: name,
}));
const url = process.env["CLIP_RANKER_URL"];
const apiKey = process.env["CLIP_RANKER_KEY"];
assert(url && apiKey);

type Hook = ReturnType<typeof useRanking>;

/** The hook on a screen: what it answers now, what it counted, what it asked for. */
async function screen(service: string) {
  const signals: (AbortSignal | null | undefined)[] = [];
  const shown = { hook: null as Hook | null, counts: [] as number[], asked: [] as string[], signals };
  const client = new ClipRanker({
    url: service,
    apiKey: apiKey!,
    fetch: (to, init) => {
      shown.asked.push(new URL(to).pathname);
      signals.push(init.signal);
      return fetch(to, init);
    },
  });
  const Screen = () => {
    shown.hook = useRanking(client, LISTINGS);
    shown.counts.push(shown.hook.session.done);
    return null;
  };
  let renderer: ReactTestRenderer | undefined;
  await act(async () => {
    renderer = create(createElement(Screen));
  });
  return { shown, hook: () => shown.hook!, leave: () => act(async () => renderer!.unmount()) };
}

async function photo(): Promise<string> {
  const answer = await fetch(`${url}/examples/cat.jpg`);
  return Buffer.from(await answer.arrayBuffer()).toString("base64");
}

test("prefetches once when the list shows, ranks with progress, re-orders and undoes", async () => {
  const { shown, hook, leave } = await screen(url);
  assert.deepEqual(shown.asked, ["/prefetch"]);
  const data = await photo();
  await act(() => hook().rank(data));
  assert.equal(hook().session.phase, "ranked");
  assert.deepEqual(hook().session.rows.map(({ listing }) => listing.title), ["cat", "coffee"]);
  assert(shown.counts.includes(2));
  await act(async () => hook().undo());
  assert.deepEqual(hook().session, listed(LISTINGS));
  assert.deepEqual(shown.asked, ["/prefetch", "/rank/stream"]);
  await leave();
});

test("tells what the client says went wrong", async () => {
  const { hook, leave } = await screen("http://127.0.0.1:9");
  await act(() => hook().rank("AAAA"));
  assert.match(hook().session.problem ?? "", /could not be reached/);
  await leave();
});

test("a screen that is left ends the ranking", async () => {
  const { shown, hook, leave } = await screen(url);
  const data = await photo();
  let ranking: Promise<void> | undefined;
  await act(async () => {
    ranking = hook().rank(data);
  });
  assert.deepEqual(shown.asked, ["/prefetch", "/rank/stream"]);
  await leave();
  await ranking;
  assert.equal(shown.signals.at(-1)?.aborted, true);
});
