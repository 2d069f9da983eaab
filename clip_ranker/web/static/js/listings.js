/* What was pasted to candidates. Pure functions. */

/** Why a text is no list of listings; `kind` names a sentence of words.js. */
export class ListingsError extends Error {
  constructor(kind, about) {
    super(kind);
    this.kind = kind;
    this.about = about;
  }
}

/**
 * Reads JSON (a list, or an object with `candidates`; of objects or URLs) or one URL a line.
 *
 * @param {string} text
 * @returns {{auction_id: string, image_url?: unknown, title?: string, url?: string}[]}
 * @throws {ListingsError}
 */
export function parseListings(text) {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed)) {
    const lines = trimmed.split(/\r?\n/).map((line) => line.trim());
    return lines.filter(Boolean).map((url, index) => candidate(url, index));
  }
  let parsed;
  try {
    parsed = JSON.parse(withLongIdsAsText(trimmed));
  } catch (error) {
    throw new ListingsError("listingsJson", error.message);
  }
  const list = Array.isArray(parsed) ? parsed : parsed.candidates;
  if (!Array.isArray(list)) throw new ListingsError("listingsNotAList");
  return list.map(candidate);
}

/**
 * JSON with integer ids of over 15 digits in quotes: JSON.parse would round them. Strings are
 * stepped over, so that nothing inside of one is taken for an id.
 */
const withLongIdsAsText = (json) =>
  json.replace(
    /("auction_id"\s*:\s*)(-?\d{16,})(?=\s*[,}])|"[^"\\]*(?:\\.[^"\\]*)*"/g,
    (whole, name, digits) => (digits ? `${name}"${digits}"` : whole),
  );

function candidate(entry, index) {
  const listing = typeof entry === "string" ? { image_url: entry } : entry;
  if (listing === null || typeof listing !== "object" || Array.isArray(listing)) {
    throw new ListingsError("listingsShape", index + 1);
  }
  const id = listing.auction_id ?? index + 1;
  const read = { auction_id: String(id) };
  if ("image_url" in listing) read.image_url = listing.image_url; // without one it fails alone, there
  if (typeof listing.title === "string") read.title = listing.title;
  if (typeof listing.url === "string") read.url = listing.url;
  return read;
}

/** The listing's own page as a link's target, or null when that must not be opened. */
export const pageUrl = (url) => (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) ? url : null);

/** What the service is sent of a listing. */
export const sentOf = ({ auction_id, image_url, title }) => ({ auction_id, image_url, title });

/** Where the browser finds a listing's picture, or null when it must not look. */
export function pictureUrl(imageUrl) {
  if (typeof imageUrl !== "string") return null;
  if (imageUrl.startsWith("example:")) {
    return `examples/${encodeURIComponent(imageUrl.slice("example:".length))}.jpg`;
  }
  return /^https?:\/\//i.test(imageUrl) ? imageUrl : null;
}
