/** Stands for the app's own search: pictures that every clip-ranker brings along. */

import type { Listing } from "./session";

const NAMES = ["astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "rocket"];

export const LISTINGS: Listing[] = NAMES.map((name, index) => ({
  auction_id: `A${index + 1}`,
  image_url: `example:${name}`,
  title: name,
}));

/** Where the phone finds a listing's picture. */
export const pictureOf = (listing: Listing, service: string): string =>
  listing.image_url.startsWith("example:")
    ? `${service}/examples/${listing.image_url.slice("example:".length)}.jpg`
    : listing.image_url;
