/** What the screen can ask for, and when each of it ends. No React in here. */

import type { ClipRanker } from "clip-ranker-client";

import type { Action, Listing } from "./session.ts";

export interface Control {
  /** The list is on the screen; answers what to call when it leaves. */
  open: () => () => void;
  rank: (photoBase64: string) => Promise<void>;
  stop: () => void;
  undo: () => void;
  /** Something went wrong before the service was asked. */
  fail: (problem: string) => void;
}

/** `explain` gives the sentence for an error that the person can do something about. */
export function newControl(
  client: ClipRanker,
  listings: Listing[],
  dispatch: (action: Action) => void,
  explain: (error: unknown) => string | null,
): Control {
  let running: AbortController | null = null;

  return {
    open() {
      const leaving = new AbortController();
      dispatch({ type: "listed", listings });
      // The service can look at the thumbnails while the person is still lifting the phone.
      client.prefetch({ candidates: listings }, { signal: leaving.signal }).catch(() => undefined);
      return () => {
        leaving.abort();
        running?.abort();
      };
    },

    async rank(photoBase64) {
      running?.abort();
      const current = (running = new AbortController());
      dispatch({ type: "started" });
      try {
        const request = { query_image_base64: photoBase64, candidates: listings };
        for await (const event of client.rankStream(request, { signal: current.signal })) {
          if (current.signal.aborted) return;
          dispatch({ type: "event", event });
        }
      } catch (error) {
        if (current.signal.aborted) return;
        const problem = explain(error);
        dispatch({ type: "problem", problem: problem ?? "something went wrong" });
        if (problem === null) throw error;
      }
    },

    stop() {
      running?.abort();
      dispatch({ type: "undone" });
    },

    undo: () => dispatch({ type: "undone" }),
    fail: (problem) => dispatch({ type: "problem", problem }),
  };
}
