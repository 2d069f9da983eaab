/** The hook as an app writes it, from the package, in React and against the running service. */

import { act, renderHook, waitFor } from "@testing-library/react-native";
import { useRanking } from "clip-ranker-client/expo";
import { Activity, StrictMode, type ReactNode } from "react";

import { found, photo, watched, type Found } from "./watched";

/** The hook on a screen that makes its list anew at each render. */
const screen = (client: Parameters<typeof useRanking>[0], data: Found[], strict = false) => {
  let renders = 0;
  const shown = renderHook(
    ({ data }: { data: Found[] }) => {
      renders += 1;
      return useRanking(
        client,
        data.map(({ id, thumbnail, name }) => ({ auction_id: id, image_url: thumbnail, title: name, id })),
      );
    },
    { initialProps: { data }, ...(strict ? { wrapper: StrictMode } : {}) },
  );
  const hook = () => shown.result.current;
  return {
    hook,
    renders: () => renders,
    show: (data: Found[]) => shown.rerender({ data }),
    leave: () => shown.unmount(),
    order: () => hook().session.rows.map(({ listing }) => listing.id),
    scores: () => hook().session.rows.map(({ score }) => score),
  };
};

test("a list made anew at each render is prefetched once, and no render causes another", async () => {
  const { client, asked, prefetched } = watched();
  const { show, renders } = screen(client, found("coffee", "cat"));
  show(found("coffee", "cat"));
  await act(async () => undefined);
  expect(prefetched()).toEqual([["coffee", "cat"]]);
  expect(renders()).toBe(2);
  expect(asked[0]?.body.candidates[0]).toEqual({
    auction_id: "coffee",
    image_url: "example:coffee",
    title: "coffee",
  });
});

test("a client made anew at each render changes nothing", async () => {
  const { newClient, prefetched } = watched();
  const { rerender } = renderHook(() => useRanking(newClient(), [{ auction_id: "coffee" }]));
  rerender({});
  await act(async () => undefined);
  expect(prefetched()).toEqual([["coffee"]]);
});

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

test("undo brings the search's own order back, and so does stopping, with nothing after it", async () => {
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

test("what goes wrong is told, and a prefetch that failed is tried again with the next page", async () => {
  const { client, prefetched, breakOff, mend } = watched();
  breakOff();
  const { hook, show } = screen(client, found("coffee"));
  await act(async () => hook().rank("AAAA"));
  expect(hook().session).toMatchObject({ phase: "idle", problem: { kind: "network" } });
  mend();
  show(found("coffee", "cat"));
  expect(prefetched().at(-1)).toEqual(["coffee", "cat"]);
});

test("leaving ends the prefetching", async () => {
  const { client, asked } = watched();
  screen(client, found("coffee")).leave();
  expect(asked[0]?.signal?.aborted).toBe(true);
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

test("StrictMode's second mount prefetches what the first one's end cut off", async () => {
  const { client, asked } = watched();
  screen(client, found("coffee", "cat"), true);
  await act(async () => undefined);
  const prefetches = asked.filter(({ path }) => path === "/prefetch");
  expect(prefetches.map(({ signal }) => signal?.aborted)).toEqual([true, false]);
});
