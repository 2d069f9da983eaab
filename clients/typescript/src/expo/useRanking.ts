/** One list of search results and its ranking, as a hook: a thin shell around control and session. */

import { useEffect, useMemo, useReducer, useRef, useState } from "react";

import type { ClipRanker } from "../client.ts";
import { newControl, type Control, type RankingOptions, type Shown } from "./control.ts";
import { isOpen, keysOf, NOTHING, reduce, rowsOf } from "./session.ts";
import type { Listing, Row, State } from "./session.ts";

export interface Session<T extends Listing = Listing>
  extends Pick<State, "phase" | "done" | "total" | "problem"> {
  /** Most alike first, then those not known yet, then those that failed; ties as searched. */
  rows: Row<T>[];
  /** How many of them `rankRest` would rank: new ones, and those that came too late. */
  rest: number;
}

/**
 * Prefetches what comes onto the list, and ranks it. Lists are compared by content: they, the
 * options and the client may be made anew at each render. A score stays while its listing is on
 * the list, so a page that is appended loses nothing.
 */
export function useRanking<T extends Listing>(
  client: ClipRanker,
  listings: readonly T[],
  options: RankingOptions = {},
): { session: Session<T> } & Control {
  const [state, dispatch] = useReducer(reduce, NOTHING);
  const now: Shown = { client, listings, options, known: state.known };
  const shown = useRef(now);
  useEffect(() => {
    shown.current = now;
  });
  const [{ listed, leave, ...control }] = useState(() =>
    newControl(() => shown.current, dispatch),
  );
  useEffect(() => leave, [leave]);
  const content = keysOf(listings).join();
  useEffect(listed, [listed, content, options.image_resize, options.model]);

  const rows = useMemo(() => rowsOf(listings, state.known), [listings, state.known]);
  const { done, total, problem } = state;
  // Nothing is known of what another search found.
  const lost = state.phase === "ranked" && !rows.some(({ key }) => state.known.has(key));
  const phase = lost ? "idle" : state.phase;
  const rest = rows.filter(isOpen).length;
  return { session: { phase, rows, rest, done, total, problem }, ...control };
}
