/** The real client for the service at CLIP_RANKER_URL, and what it asked that service for. */

import { ClipRanker } from "clip-ranker-client";

export interface Found {
  id: string;
  thumbnail: string;
  name: string;
}

export const found = (...names: string[]): Found[] =>
  names.map((name) => ({ id: name, thumbnail: `example:${name}`, name }));

export const SERVICE = process.env.CLIP_RANKER_URL!;

interface Body {
  candidates: { auction_id: string }[];
  image_resize?: number | null;
  model?: string | null;
  query_image_base64?: string;
}

interface Asked {
  path: string;
  body: Body;
  signal: AbortSignal | null | undefined;
}

export function watched() {
  const asked: Asked[] = [];
  const prefetches: Promise<unknown>[] = [];
  let broken = (_: Body) => false;
  let lateOne: string | null = null;
  class Watched extends ClipRanker {
    override prefetch(...given: Parameters<ClipRanker["prefetch"]>) {
      const prefetch = super.prefetch(...given);
      prefetches.push(prefetch.catch(() => undefined));
      return prefetch;
    }
  }
  const newClient = () =>
    new Watched({
      url: SERVICE,
      apiKey: process.env.CLIP_RANKER_KEY!,
      fetch: async (to, init) => {
        const body: Body = JSON.parse(String(init.body));
        asked.push({ path: new URL(to).pathname, body, signal: init.signal });
        const answer = await fetch(broken(body) ? "http://127.0.0.1:9" : to, init);
        if (!lateOne || !to.endsWith("/rank/stream")) return answer;
        const lines = (await answer.text()).split("\n");
        const its = `"auction_id":"${lateOne}"`;
        const told = lines.map((line) =>
          line.includes(its) ? line.replace("download_failed", "timed_out") : line,
        );
        return new Response(told.join("\n"), answer);
      },
    });
  const ids = (path: string) =>
    asked
      .filter((it) => it.path === path)
      .map(({ body }) => body.candidates.map(({ auction_id }) => auction_id));
  return {
    client: newClient(),
    newClient,
    asked,
    prefetched: () => ids("/prefetch"),
    ranked: () => ids("/rank/stream"),
    breakOff: (which: (body: Body) => boolean = () => true) => (broken = which),
    mend: () => (broken = () => false),
    /** Has the service say of a listing that fails that it only came too late. */
    late: (id: string) => (lateOne = id),
    /** Returns once all prefetching has come to an end, with what follows from it. */
    settled: async () => {
      for (let seen = -1; seen !== prefetches.length; ) {
        seen = prefetches.length;
        await Promise.all(prefetches);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    },
  };
}

/** The picture of the example `cat`, as base64. */
export async function photo(): Promise<string> {
  const url = `${SERVICE}/examples/cat.jpg`;
  const answer = await fetch(url).catch(() => fetch(url)); // an idle connection may just have ended
  return Buffer.from(await answer.arrayBuffer()).toString("base64");
}
