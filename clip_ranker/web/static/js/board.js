/* What is known of each listing while a ranking runs. Pure functions. */

/** @param {object[]} candidates */
export const newBoard = (candidates) =>
  candidates.map((candidate, index) => ({ index, candidate, state: "waiting" }));

/** The board after an event of the stream. */
export function after(board, event) {
  if (event.type === "scored") return replaced(board, event.index, scored(event));
  if (event.type === "failed") {
    return replaced(board, event.index, failed(event));
  }
  return event.type === "answer" ? settled(board, event.answer) : board;
}

/** The board once nothing more will come: what still waits is left as it is. */
export const abandoned = (board) =>
  board.map((entry) => (entry.state === "waiting" ? { ...entry, state: "left" } : entry));

/** Those in which points agree, most alike, without a score, failed; ties in request order. */
export function inOrder(board) {
  const group = { scored: 0, waiting: 1, left: 1, failed: 2 };
  return [...board].sort(
    (a, b) =>
      group[a.state] - group[b.state] ||
      (b.points ?? 0) - (a.points ?? 0) ||
      (a.state === "scored" ? b.score - a.score : 0) ||
      a.index - b.index,
  );
}

const scored = ({ score, match, probability, agreeing_points: points }) =>
  ({ state: "scored", score, match, probability, points });

const failed = ({ reason, detail, detail_code, detail_params }) =>
  ({ state: "failed", reason, detail, detail_code, detail_params });

const replaced = (board, index, change) =>
  board.map((entry) => (entry.index === index ? { ...entry, ...change } : entry));

/** An answer names listings by id, and ids may repeat: the n-th goes to the n-th. */
function settled(board, answer) {
  const open = new Map();
  const file = (id, change) => open.set(id, [...(open.get(id) ?? []), change]);
  for (const failure of answer.failed) file(`failed ${failure.auction_id}`, failed(failure));
  // As the board has them now: only in the answer points go before the score.
  const results = [...answer.results].sort((a, b) => b.score - a.score);
  for (const result of results) file(`scored ${result.auction_id}`, scored(result));
  const take = (key) => open.get(key)?.shift();
  // Best first, as these are: only there the bands of listings of one id keep their scores.
  const settledBy = new Map(inOrder(board).map(({ index, candidate, state }) => {
    const kinds = state === "waiting" ? ["scored", "failed"] : [state];
    return [index, kinds.map((kind) => take(`${kind} ${candidate.auction_id}`)).find(Boolean)];
  }));
  return board.map((entry) => ({ ...entry, ...settledBy.get(entry.index) }));
}
