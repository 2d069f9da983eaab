/** What a screen asks the service for, and when each of it ends. No React in here. */

import type { ClipRanker } from "../client.ts";
import type { RankEvent, RankRequest } from "../types.ts";
import { keysOf, type Action, type Listing, type State } from "./session.ts";

/** What a ranking may want besides the photo and the listings; each of these keeps its row. */
export type RankingOptions = Omit<
  RankRequest,
  | "candidates"
  | "query_image_base64"
  | "query_images_base64"
  | "query_image_url"
  | "top_k"
  | "min_score"
  | "group_duplicates"
>;

/** What the screen shows now. */
export interface Shown {
  client: ClipRanker;
  listings: readonly Listing[];
  options: RankingOptions;
  known: State["known"];
}

export interface Control {
  /** Puts the list in order of its likeness to the photo, as base64, or to up to 4 of one item. */
  rank: (photo: string | string[]) => Promise<void>;
  /** With the photo of before, what came onto the list since. */
  rankRest: () => Promise<void>;
  /** Back to the search's own order; ends a ranking that runs. */
  undo: () => void;
}

interface Inside extends Control {
  /** The list on the screen has another content. */
  listed: () => void;
  /** The list leaves the screen. */
  leave: () => void;
}

type Photos = Pick<RankRequest, "query_image_base64" | "query_images_base64">;

const MOST = 200; // listings in one request

export function newControl(shown: () => Shown, dispatch: (action: Action) => void): Inside {
  let running: { abort: AbortController; keys: Set<string> } | null = null;
  let photos: Photos | null = null;
  let leaving = new AbortController();
  const prefetched = new Set<string>();

  async function prefetch(listings: Listing[], signal: AbortSignal): Promise<void> {
    const { client, options } = shown();
    const { image_resize = null } = options;
    for (const part of parts(listings)) {
      await client.prefetch({ candidates: part, image_resize }, { signal });
    }
  }

  async function run(wanted: (key: string) => boolean, afresh: boolean): Promise<void> {
    running?.abort.abort();
    const { client, listings, options } = shown();
    const all = keysOf(listings);
    const keys = all.filter(wanted);
    const abort = new AbortController();
    running = { abort, keys: new Set(keys) };
    dispatch({ type: "started", total: keys.length, afresh });
    try {
      let first = 0;
      for (const candidates of parts(listings.filter((_, index) => wanted(all[index]!)))) {
        const names = keys.slice(first, first + candidates.length);
        const request = { ...options, ...photos, candidates };
        for await (const event of client.rankStream(request, { signal: abort.signal })) {
          if (abort.signal.aborted) return;
          dispatch(actionOf(event, names));
        }
        first += candidates.length;
      }
      if (!abort.signal.aborted) dispatch({ type: "ranked" });
    } catch (error) {
      if (abort.signal.aborted) return;
      const problem = error instanceof Error ? error : new Error(String(error));
      dispatch({ type: "over", problem });
      if (!("kind" in problem)) throw problem; // no error of the client's: a fault of the app
    } finally {
      if (running?.abort === abort) running = null;
    }
  }

  function undo(): void {
    running?.abort.abort();
    dispatch({ type: "undone" });
  }

  return {
    listed() {
      const { listings } = shown();
      const keys = keysOf(listings);
      if (running && !keys.some((key) => running?.keys.has(key))) undo(); // another search
      const fresh = listings.filter((_, index) => !prefetched.has(keys[index]!));
      const names = keys.filter((key) => !prefetched.has(key));
      for (const name of names) prefetched.add(name);
      const { signal } = leaving;
      // The service can look at the thumbnails while the person is still lifting the phone. Where
      // that fails, ranking only takes longer, and the next change of the list tries again.
      prefetch(fresh, signal).catch(() => {
        if (!signal.aborted) for (const name of names) prefetched.delete(name);
      });
    },

    leave() {
      leaving.abort();
      leaving = new AbortController();
      prefetched.clear();
      if (!running) return;
      running.abort.abort();
      dispatch({ type: "over", problem: null }); // a hidden screen may come back
    },

    rank(photo) {
      photos =
        typeof photo === "string" ? { query_image_base64: photo } : { query_images_base64: photo };
      return run(() => true, true);
    },

    async rankRest() {
      if (photos === null) return;
      const { known } = shown();
      await run((key) => !known.has(key), false);
    },

    undo,
  };
}

/** `names` are the keys of the request's candidates. */
function actionOf(event: RankEvent, names: string[]): Action {
  if (event.type === "answer") {
    return { type: "answered", keys: names, requestId: event.answer.meta.request_id ?? null };
  }
  const key = names[event.index]!;
  if (event.type === "scored") {
    return { type: "known", key, known: { score: event.score, match: event.match ?? null } };
  }
  const { type, index, auction_id, done, candidates, ...failure } = event;
  return { type: "known", key, known: { failure } };
}

/** As many requests as it takes, with nothing but what the service reads. */
function parts(listings: readonly Listing[]): Listing[][] {
  const plain = listings.map(({ auction_id, image_url = null, title = null }) => ({
    auction_id,
    image_url,
    title,
  }));
  return Array.from({ length: Math.ceil(plain.length / MOST) }, (_, n) =>
    plain.slice(n * MOST, (n + 1) * MOST),
  );
}
