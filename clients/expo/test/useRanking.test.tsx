/** How the hook ranks, against the running service. */

import { act, renderHook, waitFor } from "@testing-library/react-native";
import { useRanking } from "clip-ranker-client/expo";
import { Activity, type ReactNode } from "react";

import { screen } from "./screen";
import { found, photo, watched } from "./watched";

test("what a page two brings is prefetched alone, and the ranking stays", async () => {
  const { client, prefetched } = watched();
  const { hook, show, order, scores } = screen(client, found("coffee", "cat"));
  await act(async () => hook().rank(await photo()));
  const before = scores();
  show(found("coffee", "cat", "rocket"));
  expect(hook().session.phase).toBe("ranked");
  expect(order()).toEqual(["cat", "coffee", "rocket"]);
  expect(scores()).toEqual([...before, null]);
  expect(prefetched()).toEqual([["coffee", "cat"], ["rocket"]]);
});

test("the new ones are ranked with the photo of before, among the others", async () => {
  const { client, ranked } = watched();
  const { hook, show, order, scores } = screen(client, found("coffee", "rocket"));
  await act(async () => hook().rank(await photo()));
  show(found("coffee", "rocket", "cat"));
  await act(async () => hook().rankRest());
  expect(ranked()).toEqual([["coffee", "rocket"], ["cat"]]);
  expect(order()[0]).toBe("cat");
  expect(scores()).not.toContain(null);
});

test("the new ones are ranked with the model of before, until all are ranked again", async () => {
  const { client, asked } = watched();
  const { hook, show } = screen(client, found("coffee"));
  await act(async () => hook().rank(await photo()));
  show(found("coffee", "cat"), { model: "tiny" });
  await act(async () => hook().rankRest());
  await act(async () => hook().rank(await photo()));
  const streams = asked.filter(({ path }) => path === "/rank/stream");
  expect(streams.map(({ body }) => body.model)).toEqual([null, null, "tiny"]);
});

test("what fails of the new ones leaves the ranking of before", async () => {
  const stand = watched();
  const { hook, show, order } = screen(stand.client, found("coffee", "cat"));
  await act(async () => hook().rank(await photo()));
  show(found("coffee", "cat", "rocket"));
  stand.breakOff();
  await act(async () => hook().rankRest());
  expect(hook().session).toMatchObject({ phase: "ranked", problem: { kind: "network" } });
  expect(order()).toEqual(["cat", "coffee", "rocket"]);
});

test("more than a request holds goes in several, for prefetch and for ranking", async () => {
  const { client, prefetched, ranked } = watched();
  const many = Array.from({ length: 203 }, (_, n) => ({ ...found("cat")[0]!, id: `cat ${n}` }));
  const { hook, scores } = screen(client, many);
  await waitFor(() => expect(prefetched().map(({ length }) => length)).toEqual([200, 3]));
  await act(async () => hook().rank(await photo()));
  expect(ranked().map(({ length }) => length)).toEqual([200, 3]);
  expect(hook().session).toMatchObject({ phase: "ranked", done: 203, total: 203 });
  expect(scores()).not.toContain(null);
});

test("two listings that are the same are two rows, each with its score", async () => {
  const { client } = watched();
  const { hook, scores } = screen(client, found("cat", "cat"));
  await act(async () => hook().rank(await photo()));
  expect(new Set(hook().session.rows.map(({ key }) => key)).size).toBe(2);
  expect(scores()).not.toContain(null);
});

test("a listing that fails is last, with its reason", async () => {
  const { client } = watched();
  const { hook, order } = screen(client, found("gone", "coffee", "cat"));
  await act(async () => hook().rank(await photo()));
  expect(order()).toEqual(["cat", "coffee", "gone"]);
  expect(hook().session.rows[2]).toMatchObject({ score: null, failure: { reason: "download_failed" } });
});

test("undo brings the search's own order back, also while it ranks, with nothing after it", async () => {
  const { client, asked } = watched();
  const { hook, order } = screen(client, found("coffee", "cat"));
  const data = await photo();
  await act(async () => hook().rank(data));
  expect(order()).toEqual(["cat", "coffee"]);
  act(() => hook().undo());
  const idle = { phase: "idle", done: 0, total: 0, problem: null };
  expect(hook().session).toMatchObject(idle);
  expect(order()).toEqual(["coffee", "cat"]);
  await act(async () => {
    const ranking = hook().rank(data);
    hook().undo();
    await ranking;
  });
  expect(hook().session).toMatchObject(idle);
  expect(asked.at(-1)?.signal?.aborted).toBe(true);
});

test("stopping brings back what was there before: nothing, or the ranking of page one", async () => {
  const { client, asked } = watched();
  const { hook, show, order, scores } = screen(client, found("coffee", "cat"));
  const data = await photo();
  const stopped = async (begin: () => Promise<void>) =>
    act(async () => {
      const ranking = begin();
      hook().stop();
      await ranking;
    });
  await stopped(() => hook().rank(data));
  expect(hook().session).toMatchObject({ phase: "idle", problem: null });
  await act(async () => hook().rank(data));
  const before = scores();
  show(found("coffee", "cat", "rocket"));
  await stopped(() => hook().rankRest());
  expect(asked.at(-1)?.signal?.aborted).toBe(true);
  expect(hook().session).toMatchObject({ phase: "ranked", problem: null });
  expect(order()).toEqual(["cat", "coffee", "rocket"]);
  expect(scores()).toEqual([...before, null]);
});

test("stopping a third photo brings back the ranking of the first, where the second never ended", async () => {
  const { client } = watched();
  const { hook, order } = screen(client, found("coffee", "cat"));
  const data = await photo();
  await act(async () => hook().rank(data));
  await act(async () => {
    const rankings = [hook().rank(data), hook().rank(data)];
    hook().stop();
    await Promise.all(rankings);
  });
  expect(hook().session.phase).toBe("ranked");
  expect(order()).toEqual(["cat", "coffee"]);
});

test("a list that loses the new ones while they are ranked keeps the ranking of before", async () => {
  const { client, asked } = watched();
  const { hook, show, order, scores } = screen(client, found("coffee", "cat"));
  await act(async () => hook().rank(await photo()));
  const before = scores();
  show(found("coffee", "cat", "rocket"));
  let ranking: Promise<void> | undefined;
  act(() => void (ranking = hook().rankRest()));
  show(found("coffee", "cat", "brick"));
  await act(async () => ranking);
  expect(asked.filter(({ path }) => path === "/rank/stream").at(-1)?.signal?.aborted).toBe(true);
  expect(hook().session.phase).toBe("ranked");
  expect(order()).toEqual(["cat", "coffee", "brick"]);
  expect(scores()).toEqual([...before, null]);
});

test("a list that is empty for one render, as a query makes it, keeps its ranking", async () => {
  const { client } = watched();
  const { hook, show, scores } = screen(client, found("coffee", "cat"));
  const data = await photo();
  let ranking: Promise<void> | undefined;
  act(() => void (ranking = hook().rank(data)));
  show([]);
  show(found("coffee", "cat"));
  await act(async () => ranking);
  expect(hook().session.phase).toBe("ranked");
  expect(scores()).not.toContain(null);
});

test("a second photo that fails leaves the ranking of the first, which goes on with it", async () => {
  const { client, asked, breakOff, mend } = watched();
  const { hook, show, order } = screen(client, found("coffee", "cat"));
  const first = await photo();
  await act(async () => hook().rank(first));
  breakOff();
  await act(async () => hook().rank("AAAA"));
  expect(hook().session).toMatchObject({ phase: "ranked", problem: { kind: "network" } });
  expect(order()).toEqual(["cat", "coffee"]);
  mend();
  show(found("coffee", "cat", "rocket"));
  await act(async () => hook().rankRest());
  expect(asked.at(-1)?.body.query_image_base64).toBe(first);
});

test("what came too late is ranked with the rest, and what failed for good is not", async () => {
  const { client, ranked, late } = watched();
  const { hook, show } = screen(client, found("gone", "coffee", "slow"));
  late("slow");
  await act(async () => hook().rank(await photo()));
  expect(hook().session.rows.map(({ failure }) => failure?.reason)).toEqual([
    undefined,
    "download_failed",
    "timed_out",
  ]);
  show(found("gone", "coffee", "slow", "cat"));
  expect(hook().session.rest).toBe(2);
  await act(async () => hook().rankRest());
  expect(ranked().at(-1)).toEqual(["slow", "cat"]);
});

test("a second ranking ends the first", async () => {
  const { client, asked } = watched();
  const { hook } = screen(client, found("coffee", "cat"));
  const data = await photo();
  await act(async () => {
    await Promise.all([hook().rank(data), hook().rank(data)]);
  });
  const streams = asked.filter(({ path }) => path === "/rank/stream");
  expect(streams.map(({ signal }) => signal?.aborted)).toEqual([true, false]);
  expect(hook().session.phase).toBe("ranked");
});

test("another search ends the ranking that runs and starts with nothing known", async () => {
  const { client, asked, prefetched } = watched();
  const { hook, show } = screen(client, found("coffee", "cat"));
  const data = await photo();
  let ranking: Promise<void> | undefined;
  act(() => void (ranking = hook().rank(data)));
  show(found("rocket"));
  await act(async () => ranking);
  expect(asked.find(({ path }) => path === "/rank/stream")?.signal?.aborted).toBe(true);
  expect(hook().session).toMatchObject({ phase: "idle", rows: [{ score: null }] });
  expect(prefetched().at(-1)).toEqual(["rocket"]);
});

test("another search after a ranking starts with nothing known", async () => {
  const { client } = watched();
  const { hook, show } = screen(client, found("cat"));
  await act(async () => hook().rank(await photo()));
  show(found("rocket"));
  expect(hook().session).toMatchObject({ phase: "idle", rows: [{ score: null }] });
});

test("leaving ends the ranking", async () => {
  const { client, asked } = watched();
  const { hook, leave } = screen(client, found("coffee", "cat"));
  const data = await photo();
  let ranking: Promise<void> | undefined;
  act(() => void (ranking = hook().rank(data)));
  leave();
  await ranking;
  expect(asked.map(({ path }) => path)).toEqual(["/prefetch", "/rank/stream"]);
  expect(asked.at(-1)?.signal?.aborted).toBe(true);
});

test("a screen that was hidden while it ranked comes back without a ranking that runs", async () => {
  const { client } = watched();
  const data = await photo();
  let mode: "visible" | "hidden" = "visible";
  const wrapper = ({ children }: { children: ReactNode }) => <Activity mode={mode}>{children}</Activity>;
  const { result, rerender } = renderHook(() => useRanking(client, [{ auction_id: "cat" }]), { wrapper });
  act(() => void result.current.rank(data));
  expect(result.current.session.phase).toBe("ranking");
  mode = "hidden";
  rerender({});
  mode = "visible";
  rerender({});
  expect(result.current.session.phase).toBe("idle");
});
