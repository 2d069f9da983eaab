/**
 * What the screen knows, and how each thing that happens changes it. No React in here: the hook in
 * useRanking.ts is a thin shell around it.
 */

import type { RankEvent } from "clip-ranker-client";

export interface Listing {
  auction_id: string;
  image_url: string;
  title: string;
}

/** A listing and what is known of it; `index` is its place in the search's own order. */
export interface Row {
  index: number;
  listing: Listing;
  score: number | null;
  /** Why it could not be ranked, for people. */
  failure: string | null;
}

export interface Session {
  phase: "idle" | "ranking" | "ranked";
  rows: Row[];
  done: number;
  /** Why the last try came to nothing. */
  problem: string | null;
}

export type Action =
  | { type: "listed"; listings: Listing[] }
  | { type: "started" }
  | { type: "event"; event: RankEvent }
  | { type: "problem"; problem: string }
  | { type: "undone" };

export const listed = (listings: Listing[]): Session => ({
  phase: "idle",
  rows: listings.map((listing, index) => ({ index, listing, score: null, failure: null })),
  done: 0,
  problem: null,
});

export function reduce(session: Session, action: Action): Session {
  switch (action.type) {
    case "listed":
      return listed(action.listings);
    case "started":
      return { ...original(session), phase: "ranking" };
    case "event":
      // What still arrives after the person gave up changes nothing.
      return session.phase === "ranking" ? after(session, action.event) : session;
    case "problem":
      // A photo that cannot be read must not take the ranking of the one before it away.
      return { ...(session.phase === "ranking" ? original(session) : session), problem: action.problem };
    case "undone":
      return original(session);
  }
}

/** The search's own order, without scores. */
function original(session: Session): Session {
  const rows = [...session.rows].sort((a, b) => a.index - b.index);
  return listed(rows.map(({ listing }) => listing));
}

function after(session: Session, event: RankEvent): Session {
  if (event.type === "answer") return { ...session, phase: "ranked", rows: inOrder(session.rows) };
  const known =
    event.type === "scored"
      ? { score: event.score, failure: null }
      : { score: null, failure: event.detail };
  const rows = session.rows.map((row) => (row.index === event.index ? { ...row, ...known } : row));
  return { ...session, rows: inOrder(rows), done: event.done };
}

/** Most alike first, then those not known yet, then those that failed; ties as searched. */
function inOrder(rows: Row[]): Row[] {
  const group = (row: Row): number => (row.score !== null ? 0 : row.failure === null ? 1 : 2);
  return [...rows].sort(
    (a, b) => group(a) - group(b) || (b.score ?? 0) - (a.score ?? 0) || a.index - b.index,
  );
}
