/** What the hook has the service look at ahead, against the running service. */

import { act, renderHook } from "@testing-library/react-native";
import { useRanking } from "clip-ranker-client/expo";

import { screen } from "./screen";
import { found, watched } from "./watched";

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

test("what goes wrong is told, and a prefetch that failed is tried again with the next page", async () => {
  const { client, prefetched, breakOff, mend, settled } = watched();
  breakOff();
  const { hook, show } = screen(client, found("coffee"));
  await act(async () => hook().rank("AAAA"));
  expect(hook().session).toMatchObject({ phase: "idle", problem: { kind: "network" } });
  await settled();
  mend();
  show(found("coffee", "cat"));
  expect(prefetched().at(-1)).toEqual(["coffee", "cat"]);
});

test("leaving ends the prefetching", async () => {
  const { client, asked } = watched();
  screen(client, found("coffee")).leave();
  expect(asked[0]?.signal?.aborted).toBe(true);
});

test("StrictMode's second mount prefetches what the first one's end cut off", async () => {
  const { client, asked } = watched();
  screen(client, found("coffee", "cat"), true);
  await act(async () => undefined);
  const prefetches = asked.filter(({ path }) => path === "/prefetch");
  expect(prefetches.map(({ signal }) => signal?.aborted)).toEqual([true, false]);
});

const many = Array.from({ length: 203 }, (_, n) => ({ ...found("cat")[0]!, id: `cat ${n}` }));

test("for another image_resize or model a picture is prefetched again", async () => {
  const { client, asked } = watched();
  const { show } = screen(client, found("coffee"));
  show(found("coffee"), { image_resize: 512 });
  show(found("coffee"), { image_resize: 512 });
  show(found("coffee"), { image_resize: 512, model: "tiny" });
  await act(async () => undefined);
  expect(asked.map(({ body }) => [body.image_resize, body.model])).toEqual([
    [null, null],
    [512, null],
    [512, "tiny"],
  ]);
});

test("of a list in several parts, only the part that failed is prefetched again", async () => {
  const { client, prefetched, breakOff, mend, settled } = watched();
  breakOff(({ candidates }) => candidates.length < 200);
  const { show } = screen(client, many);
  await settled();
  expect(prefetched().map(({ length }) => length)).toEqual([200, 3, 3]); // the client's own retry
  mend();
  show([...many, ...found("coffee")]);
  expect(prefetched().at(-1)).toEqual(["cat 200", "cat 201", "cat 202", "coffee"]);
});

test("another search ends the prefetching of what is left of the one before", async () => {
  const { client, prefetched, settled } = watched();
  const { show } = screen(client, many);
  show(found("rocket"));
  await settled();
  expect(prefetched().map(({ length }) => length)).toEqual([200, 1]);
});
