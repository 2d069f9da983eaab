/** What a screen asks the service for, and when each of it ends. No React in here. */

import type { ClipRanker } from "../client.ts";
import type { RankEvent, RankRequest } from "../types.ts";
import { isOpen, keysOf, type Action, type Listing, type State } from "./session.ts";

/**
 * What a ranking may want besides the photo and the listings; each of these keeps its row. Titles do
 * not count here: their part of a score depends on the whole list, which may grow.
 */
export type RankingOptions = Omit<
  RankRequest,
  | "candidates"
  | "query_image_base64"
  | "query_images_base64"
  | "query_image_url"
  | "top_k"
  | "min_score"
  | "query_text"
  | "title_weight"
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
  /** With the photo and the model of before, what came onto the list since or came too late. */
  rankRest: () => Promise<void>;
  /** Ends a ranking that runs; what was known before it stays. */
  stop: () => void;
  /** Back to the search's own order; ends a ranking that runs, too. */
  undo: () => void;
}

interface Inside extends Control {
  /** The list on the screen has another content, its pictures another size or model. */
  listed: () => void;
  /** The list leaves the screen. */
  leave: () => void;
}

type Asked = Pick<RankRequest, "query_image_base64" | "query_images_base64" | "model">;

const MOST = 200; // listings in one request

export function newControl(shown: () => Shown, dispatch: (action: Action) => void): Inside {
  let running: { abort: AbortController; keys: Set<string>; before: Asked | null } | null = null;
  let photos: Asked | null = null; // of what is known: scores of two models do not compare
  let leaving = new AbortController();
  const prefetched = new Set<string>();

  /** Part by part, and each of what is on the screen by then. */
  async function prefetch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { client, listings, options } = shown();
      const { image_resize = null, model = null } = options;
      const names = keysOf(listings).map((key) => `${image_resize} ${model} ${key}`);
      const fresh = [...names.keys()].filter((at) => !prefetched.has(names[at]!)).slice(0, MOST);
      if (fresh.length === 0) return;
      for (const at of fresh) prefetched.add(names[at]!);
      try {
        const candidates = fresh.map((at) => plain(listings[at]!));
        await client.prefetch({ candidates, image_resize, model }, { signal });
      } catch {
        // Ranking only takes longer then, and the next change of the list tries again.
        if (!signal.aborted) for (const at of fresh) prefetched.delete(names[at]!);
        return;
      }
    }
  }

  async function run(
    asked: Asked,
    wanted: (key: string) => boolean,
    afresh: boolean,
  ): Promise<void> {
    running?.abort.abort();
    const { client, listings, options } = shown();
    const all = keysOf(listings);
    const keys = all.filter(wanted);
    const abort = new AbortController();
    running = { abort, keys: new Set(keys), before: running ? running.before : photos };
    photos = asked;
    dispatch({ type: "started", total: keys.length, afresh });
    try {
      let first = 0;
      for (const candidates of parts(listings.filter((_, index) => wanted(all[index]!)))) {
        const names = keys.slice(first, first + candidates.length);
        const request = { ...options, ...asked, candidates };
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
      over(problem);
      if (!("kind" in problem)) throw problem; // no error of the client's: a fault of the app
    } finally {
      if (running?.abort === abort) running = null;
    }
  }

  /** What was known before stays, and so does the photo it is known of. */
  function over(problem: Error | null): void {
    photos = running?.before ?? photos;
    running = null;
    dispatch({ type: "over", problem });
  }

  function stop(): void {
    if (!running) return;
    running.abort.abort();
    over(null);
  }

  return {
    listed() {
      const keys = keysOf(shown().listings);
      // Another search; an empty list may be one that is being fetched again.
      if (keys.length > 0 && !keys.some((key) => running?.keys.has(key))) stop();
      // The service can look at the thumbnails while the person is still lifting the phone.
      void prefetch(leaving.signal);
    },

    leave() {
      leaving.abort();
      leaving = new AbortController();
      prefetched.clear();
      stop(); // a hidden screen may come back
    },

    rank(photo) {
      const { model = null } = shown().options;
      const asked =
        typeof photo === "string" ? { query_image_base64: photo } : { query_images_base64: photo };
      return run({ ...asked, model }, () => true, true);
    },

    async rankRest() {
      if (photos === null) return;
      const { known } = shown();
      await run(photos, (key) => isOpen(known.get(key)), false);
    },

    stop,

    undo() {
      running?.abort.abort();
      running = null;
      dispatch({ type: "undone" });
    },
  };
}

/** `names` are the keys of the request's candidates. */
function actionOf(event: RankEvent, names: string[]): Action {
  if (event.type === "answer") {
    const { results, meta } = event.answer;
    return { type: "answered", keys: names, results, requestId: meta.request_id ?? null };
  }
  const key = names[event.index]!;
  if (event.type === "scored") {
    return { type: "known", key, known: { score: event.score, match: event.match ?? null } };
  }
  const { type, index, auction_id, done, candidates, ...failure } = event;
  return { type: "known", key, known: { failure } };
}

/** As many requests as it takes. */
const parts = (listings: readonly Listing[]): Listing[][] =>
  Array.from({ length: Math.ceil(listings.length / MOST) }, (_, n) =>
    listings.slice(n * MOST, (n + 1) * MOST).map(plain),
  );

/** With nothing but what the service reads. */
const plain = ({ auction_id, image_url = null, title = null }: Listing): Listing => ({
  auction_id,
  image_url,
  title,
});
