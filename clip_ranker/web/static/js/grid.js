/* The board as cards that glide to their places. Everything from outside is set as text. */

import { inOrder } from "./board.js";
import { element, english } from "./element.js";
import { words } from "./language.js";
import { pictureUrl } from "./listings.js";

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
  } else if (state === "waiting" || state === "left") {
    lines.push(element("p", "id", words()[state]));
  }
  if (candidate.title) lines.push(element("p", "title", candidate.title));
  lines.push(element("p", "id", candidate.auction_id));
  if (state === "failed") lines.push(why(entry));
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

function why({ reason, detail }) {
  const sentence = words().reasons[reason] ?? reason;
  const stop = /[.。]$/.exec(sentence)?.[0] ?? "";
  const [open, close] = words().brackets;
  const aside = element("span", "soft");
  aside.append(open, english(detail), close);
  const line = element("p", "why", sentence.slice(0, sentence.length - stop.length));
  line.append(aside, stop);
  return line;
}

function shownOnly(text) {
  const span = element("span", "", text);
  span.ariaHidden = "true";
  return span;
}
