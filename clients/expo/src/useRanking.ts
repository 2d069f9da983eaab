/** The session of one list of search results, as a hook. */

import { ClipRankerError, type ClipRanker } from "clip-ranker-client";
import { useCallback, useEffect, useReducer, useRef } from "react";

import { listed, reduce, type Listing, type Session } from "./session";

export interface Ranking {
  session: Session;
  rank: (photoBase64: string) => Promise<void>;
  stop: () => void;
  undo: () => void;
}

export function useRanking(client: ClipRanker, listings: Listing[]): Ranking {
  const [session, dispatch] = useReducer(reduce, listings, listed);
  const running = useRef<AbortController | null>(null);

  // The service can look at the thumbnails while the person is still lifting the phone.
  useEffect(() => {
    const leaving = new AbortController();
    dispatch({ type: "listed", listings });
    client.prefetch({ candidates: listings }, { signal: leaving.signal }).catch(() => undefined);
    return () => {
      leaving.abort();
      running.current?.abort();
    };
  }, [client, listings]);

  const rank = useCallback(
    async (photoBase64: string) => {
      running.current?.abort();
      const current = new AbortController();
      running.current = current;
      dispatch({ type: "started" });
      try {
        const request = { query_image_base64: photoBase64, candidates: listings };
        for await (const event of client.rankStream(request, { signal: current.signal })) {
          if (current.signal.aborted) return;
          dispatch({ type: "event", event });
        }
      } catch (error) {
        if (current.signal.aborted) return;
        const known = error instanceof ClipRankerError;
        dispatch({ type: "problem", problem: known ? error.message : "something went wrong" });
        if (!known) throw error;
      }
    },
    [client, listings],
  );

  const stop = useCallback(() => {
    running.current?.abort();
    dispatch({ type: "undone" });
  }, []);

  const undo = useCallback(() => dispatch({ type: "undone" }), []);
  return { session, rank, stop, undo };
}
