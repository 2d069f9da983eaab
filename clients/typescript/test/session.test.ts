/** The order of a list, by what is known of it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { keysOf, NOTHING, reduce, rowsOf, type State } from "../src/expo/session.ts";

const listings = ["a", "b", "c", "b"].map((auction_id, n) => ({ auction_id, image_url: `${n % 3}` }));
const scores = [0.9, 0.5, 0.7, 0.6];
const keys = keysOf(listings);

const scored = keys.reduce<State>(
  (state, key, n) => reduce(state, { type: "known", key, known: { score: scores[n]! } }),
  NOTHING,
);
const places = (state: State): number[] =>
  rowsOf(listings, state.known).map(({ index }) => index);

test("the answer's points go before the score, and come to the listing that they are of", () => {
  assert.deepEqual(places(scored), [0, 2, 3, 1]);
  const results = [
    { auction_id: "b", score: 0.5, rank: 1, agreeing_points: 40 },
    { auction_id: "c", score: 0.7, rank: 2, agreeing_points: 12 },
    { auction_id: "a", score: 0.9, rank: 3 },
    { auction_id: "b", score: 0.6, rank: 4 },
  ];
  const answered = reduce(scored, { type: "answered", keys, results, requestId: null });
  assert.deepEqual(places(answered), [1, 2, 0, 3]);
  const points = rowsOf(listings, answered.known).map(({ agreeingPoints }) => agreeingPoints);
  assert.deepEqual(points, [40, 12, null, null]);
});
