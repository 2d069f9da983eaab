/** The session of one list of search results, as a hook: a thin shell around control and session. */

import type { ClipRanker, ClipRankerError } from "clip-ranker-client";
import { useEffect, useMemo, useReducer } from "react";

import { newControl, type Control } from "./control.ts";
import { listed, reduce, type Listing, type Session } from "./session.ts";

/** The client's errors have a kind and a sentence; anything else is a fault of this app. */
const explain = (error: unknown): string | null =>
  error instanceof Error && "kind" in error ? (error as ClipRankerError).message : null;

export function useRanking(
  client: ClipRanker,
  listings: Listing[],
): { session: Session } & Control {
  const [session, dispatch] = useReducer(reduce, listings, listed);
  const control = useMemo(() => newControl(client, listings, dispatch, explain), [client, listings]);
  useEffect(control.open, [control]);
  return { session, ...control };
}
