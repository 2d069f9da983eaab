/* What is known of each listing while a ranking runs. Pure functions. */

/** @param {object[]} candidates */
export const newBoard = (candidates) =>
  candidates.map((candidate, index) => ({ index, candidate, state: "waiting" }));

/** The board after an event of the stream. */
export function after(board, event) {
  if (event.type === "scored") return replaced(board, event.index, { state: "scored", score: event.score });
  if (event.type === "failed") {
    const { reason, detail } = event;
    return replaced(board, event.index, { state: "failed", reason, detail });
  }
  return event.type === "answer" ? settled(board, event.answer) : board;
}

/** The board once nothing more will come: what still waits is left as it is. */
export const abandoned = (board) =>
  board.map((entry) => (entry.state === "waiting" ? { ...entry, state: "left" } : entry));

/** Most alike first, then those without a score, then those that failed; ties in request order. */
export function inOrder(board) {
  const group = { scored: 0, waiting: 1, left: 1, failed: 2 };
  return [...board].sort(
    (a, b) =>
      group[a.state] - group[b.state] ||
      (a.state === "scored" ? b.score - a.score : 0) ||
      a.index - b.index,
  );
}

const replaced = (board, index, change) =>
  board.map((entry) => (entry.index === index ? { ...entry, ...change } : entry));

/** An answer names listings by id, and ids may repeat: the n-th goes to the n-th. */
function settled(board, answer) {
  const open = new Map();
  const file = (id, change) => open.set(id, [...(open.get(id) ?? []), change]);
  for (const { auction_id, reason, detail } of answer.failed) {
    file(`failed ${auction_id}`, { state: "failed", reason, detail });
  }
  for (const { auction_id, score } of answer.results) {
    file(`scored ${auction_id}`, { state: "scored", score });
  }
  const take = (key) => open.get(key)?.shift();
  return board.map((entry) => {
    if (entry.state !== "waiting") return entry;
    const id = entry.candidate.auction_id;
    return { ...entry, ...(take(`scored ${id}`) ?? take(`failed ${id}`) ?? {}) };
  });
}
