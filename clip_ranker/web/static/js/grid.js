/* The board as cards that glide to their places. Everything from outside is set as text. */

import { inOrder } from "./board.js";
import { element } from "./element.js";
import { whyOf } from "./failures.js";
import { words } from "./language.js";
import { pageUrl, pictureUrl } from "./listings.js";

const GLIDE_MS = 350;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const cards = new Map();

/** Makes the list show this board; cards that change places glide there. */
export function show(list, board) {
  const before = new Map([...cards].map(([index, card]) => [index, card.getBoundingClientRect()]));
  let rank = 0;
  inOrder(board).forEach((entry, place) => {
    const card = cards.get(entry.index) ?? newCard(entry.candidate);
    cards.set(entry.index, card);
    fill(card, entry, entry.state === "scored" ? ++rank : null);
    if (list.children[place] !== card) list.insertBefore(card, list.children[place] ?? null);
  });
  if (!calm.matches) glide(before);
}

/** Forgets all cards. */
export function clear(list) {
  cards.clear();
  list.replaceChildren();
}

function glide(before) {
  for (const [index, card] of cards) {
    const from = before.get(index);
    if (!from) continue;
    const to = card.getBoundingClientRect();
    const x = from.left - to.left;
    const y = from.top - to.top;
    if (x === 0 && y === 0) continue;
    card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], {
      duration: GLIDE_MS,
      easing: "cubic-bezier(.2, .7, .2, 1)",
    });
  }
}

function newCard(candidate) {
  const thumb = element("div", "thumb");
  const source = pictureUrl(candidate.image_url);
  if (source) {
    const picture = document.createElement("img");
    picture.alt = "";
    picture.referrerPolicy = "no-referrer";
    picture.loading = "lazy";
    picture.decoding = "async";
    picture.addEventListener("error", () => picture.remove()); // no icon of the browser's
    picture.src = source;
    thumb.append(picture);
  }
  const card = element("li", "card");
  card.append(thumb, element("div", "body"));
  return card;
}

function fill(card, entry, rank) {
  const { candidate, state } = entry;
  card.className = `card ${state}${rank === 1 ? " best" : ""}`;
  card.querySelector(".rank")?.remove();
  const lines = [];
  if (state === "scored") {
    const badge = element("span", "rank");
    badge.append(element("span", "unseen", words().rankLabel(rank)), shownOnly(String(rank)));
    card.querySelector(".thumb").append(badge);
    lines.push(score(entry.score));
    if (Object.hasOwn(words().matches, entry.match)) lines.push(match(entry));
  } else if (state === "waiting" || state === "left") {
    lines.push(element("p", "id", words()[state]));
  }
  if (candidate.title) lines.push(named("title", candidate));
  lines.push(candidate.title ? element("p", "id", candidate.auction_id) : named("id", candidate));
  if (state === "failed") {
    const why = element("p", "why");
    why.append(...whyOf(entry));
    lines.push(why);
  }
  card.querySelector(".body").replaceChildren(...lines);
}

function score(value) {
  const bar = element("i");
  bar.style.setProperty("--share", Math.min(1, Math.max(0, value)));
  const meter = element("span", "meter");
  meter.append(bar);
  const line = element("p", "score");
  line.append(element("span", "unseen", words().scoreLabel), element("span", "", value.toFixed(3)), meter);
  return line;
}

/** How sure the service is that this is the item, where the model can tell. */
function match({ match: band, probability }) {
  const line = element("p", `match ${band}`, words().matches[band]);
  if (typeof probability === "number") line.append(element("span", "soft", ` ${Math.round(probability * 100)} %`));
  return line;
}

/** The title or id, which opens the listing where it has an address. */
function named(kind, candidate) {
  const text = candidate.title || candidate.auction_id;
  const url = pageUrl(candidate.url);
  const line = element("p", kind, url ? "" : text);
  if (url) {
    const link = element("a", "", text);
    link.href = url;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    line.append(link);
  }
  return line;
}

function shownOnly(text) {
  const span = element("span", "", text);
  span.ariaHidden = "true";
  return span;
}
