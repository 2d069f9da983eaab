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

interface Asked {
  path: string;
  body: { candidates: { auction_id: string }[] };
  signal: AbortSignal | null | undefined;
}

export function watched() {
  const asked: Asked[] = [];
  let broken = false;
  const newClient = () =>
    new ClipRanker({
      url: SERVICE,
      apiKey: process.env.CLIP_RANKER_KEY!,
      fetch: async (to, init) => {
        const body = JSON.parse(String(init.body));
        asked.push({ path: new URL(to).pathname, body, signal: init.signal });
        return fetch(broken ? "http://127.0.0.1:9" : to, init);
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
    breakOff: () => (broken = true),
    mend: () => (broken = false),
  };
}

/** The picture of the example `cat`, as base64. */
export async function photo(): Promise<string> {
  const answer = await fetch(`${SERVICE}/examples/cat.jpg`);
  return Buffer.from(await answer.arrayBuffer()).toString("base64");
}
