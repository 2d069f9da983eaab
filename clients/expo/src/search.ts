/** Stands for the app's own search: pictures that every clip-ranker brings along, in two pages. */

export interface Found {
  id: string;
  thumbnail: string;
  name: string;
}

const PAGES = [
  ["astronaut", "brick", "camera", "cat", "coffee"],
  ["coins", "grass", "rocket"],
];

export const pages = PAGES.length;

/** What is found up to this page, made anew each time as a search would. */
export const found = (page: number): Found[] =>
  PAGES.slice(0, page)
    .flat()
    .map((name, index) => ({ id: `A${index + 1}`, thumbnail: `example:${name}`, name }));

/** Where the phone finds a thumbnail. */
export const pictureOf = (thumbnail: string, service: string): string =>
  thumbnail.startsWith("example:")
    ? `${service}/examples/${thumbnail.slice("example:".length)}.jpg`
    : thumbnail;
