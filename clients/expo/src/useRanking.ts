/** The session of one list of search results, as a hook: a thin shell around control and session. */

import { ClipRankerError, type ClipRanker } from "clip-ranker-client";
import { useEffect, useMemo, useReducer } from "react";

import { newControl, type Control } from "./control";
import { listed, reduce, type Listing, type Session } from "./session";

const explain = (error: unknown) => (error instanceof ClipRankerError ? error.message : null);

export function useRanking(
  client: ClipRanker,
  listings: Listing[],
): { session: Session } & Control {
  const [session, dispatch] = useReducer(reduce, listings, listed);
  const control = useMemo(() => newControl(client, listings, dispatch, explain), [client, listings]);
  useEffect(control.open, [control]);
  return { session, ...control };
}
