/** What is known of a list, and how each thing that happens changes it. No React in here. */

import type { Candidate, Failure, Match, Result } from "../types.ts";

/** A listing as the service takes it; what else an app keeps with it stays in the app. */
export type Listing = Candidate;

/** Why a listing could not be ranked. */
export type RowFailure = Omit<Failure, "auction_id">;

/** What came of one listing. */
export interface Known {
  score: number | null;
  /** Of a model with a calibration. */
  match: Match | null;
  failure: RowFailure | null;
  /** Goes before the score; once the ranking is done, where the service looks again. */
  agreeingPoints: number | null;
  /** For the client's `feedback`, once the ranking is done and where the service takes any. */
  requestId: string | null;
}

/** A listing and what is known of it. */
export interface Row<T extends Listing = Listing> extends Known {
  /** Stays the same while the list grows or is put in another order. */
  key: string;
  /** Its place in the search's own order. */
  index: number;
  listing: T;
}

export interface State {
  phase: "idle" | "ranking" | "ranked";
  /** By `keysOf`. */
  known: ReadonlyMap<string, Known>;
  /** What is left when the ranking that runs comes to nothing. */
  before: ReadonlyMap<string, Known>;
  done: number;
  total: number;
  /** Why the last ranking came to nothing. */
  problem: Error | null;
}

export type Action =
  | { type: "started"; total: number; afresh: boolean }
  | { type: "known"; key: string; known: Partial<Known> }
  | { type: "answered"; keys: string[]; results: Result[]; requestId: string | null }
  | { type: "ranked" }
  | { type: "over"; problem: Error | null }
  | { type: "undone" };

const UNKNOWN: Known = {
  score: null,
  match: null,
  failure: null,
  agreeingPoints: null,
  requestId: null,
};

export const NOTHING: State = {
  phase: "idle",
  known: new Map(),
  before: new Map(),
  done: 0,
  total: 0,
  problem: null,
};

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "started": {
      const known = action.afresh ? NOTHING.known : state.known;
      const before = state.phase === "ranking" ? state.before : state.known;
      return { ...NOTHING, phase: "ranking", known, before, total: action.total };
    }
    case "known": {
      const known = new Map(state.known).set(action.key, { ...UNKNOWN, ...action.known });
      return { ...state, known, done: state.done + 1 };
    }
    case "answered": {
      const known = new Map(state.known);
      const { results, requestId } = action;
      // An id may repeat; with one score too, both show the same picture or nothing tells them apart.
      const named = (id: unknown, score: number | null): string => JSON.stringify([id, score]);
      const points = new Map(
        results.map((one) => [named(one.auction_id, one.score), one.agreeing_points]),
      );
      for (const key of action.keys) {
        const row = { ...UNKNOWN, ...known.get(key) };
        const agreeingPoints = points.get(named(idOf(key), row.score)) ?? null;
        known.set(key, { ...row, agreeingPoints, requestId });
      }
      return { ...state, known };
    }
    case "ranked":
      return { ...state, phase: "ranked" };
    case "over":
      return { ...NOTHING, ...kept(state.before), problem: action.problem };
    case "undone":
      return NOTHING;
  }
}

const kept = (known: State["known"]): Pick<State, "phase" | "known"> => ({
  phase: known.size > 0 ? "ranked" : "idle",
  known,
});

/** Whether ranking it (again) may give it a score: it is new, or its picture came too late. */
export const isOpen = ({ score, failure }: Known = UNKNOWN): boolean =>
  score === null && (failure === null || failure.reason === "timed_out");

/** A name for each listing that depends on its content and on nothing around it. */
export function keysOf(listings: readonly Listing[]): string[] {
  const seen = new Map<string, number>();
  return listings.map(({ auction_id, image_url, title }) => {
    const content = JSON.stringify([auction_id, image_url ?? null, title ?? null]);
    const twins = seen.get(content) ?? 0;
    seen.set(content, twins + 1);
    return twins === 0 ? content : `${content}#${twins}`;
  });
}

const idOf = (key: string): unknown => JSON.parse(key.slice(0, key.lastIndexOf("]") + 1))[0];

/** Where points agree, then most alike, then those not known yet, then those that failed; ties as searched. */
export function rowsOf<T extends Listing>(listings: readonly T[], known: State["known"]): Row<T>[] {
  const keys = keysOf(listings);
  const rows = listings.map((listing, index): Row<T> => {
    const key = keys[index]!;
    return { key, index, listing, ...(known.get(key) ?? UNKNOWN) };
  });
  const group = (row: Row<T>): number => (row.score !== null ? 0 : row.failure === null ? 1 : 2);
  return rows.sort(
    (a, b) =>
      group(a) - group(b) ||
      (b.agreeingPoints ?? 0) - (a.agreeingPoints ?? 0) ||
      (b.score ?? 0) - (a.score ?? 0) ||
      a.index - b.index,
  );
}
