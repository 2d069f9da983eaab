/* One ranking at /demo, from the button to the last picture. */

import { abandoned, after, newBoard } from "./board.js";
import { writeCommand } from "./command.js";
import { describeListings, NO_LISTINGS, NO_PHOTO } from "./giving.js";
import { clear, show } from "./grid.js";
import { rememberKey } from "./key.js";
import { words } from "./language.js";
import { sentOf } from "./listings.js";
import { chosenModel } from "./models.js";
import { $, page } from "./page.js";
import { base64 } from "./photo.js";
import { rank } from "./service.js";
import { fault, refuse, say } from "./telling.js";
import { duration, showTiming } from "./timing.js";

const REDRAW_MS = 200; // often enough to feel alive, seldom enough to follow with the eyes
const SPOKEN_MS = 2000; // how often a screen reader hears of progress

const oneColumn = matchMedia("(max-width: 899px)"); // as in demo.css

export async function run() {
  const candidates = describeListings();
  if (!page.photo) return fault(NO_PHOTO);
  if (!candidates) return $("listings").focus();
  if (!candidates.length) return fault(NO_LISTINGS);
  begin(candidates);
  const options = { key: $("key").value.trim(), signal: page.running.signal };
  const request = requestOf(candidates);
  try {
    const photo = await base64(page.sent.blob);
    for await (const event of rank({ query_image_base64: photo, ...request }, options)) {
      page.board = after(page.board, event);
      if (event.type === "answer") page.answer = event.answer;
      else soon(event);
    }
    rememberKey(options.key);
    finish();
  } catch (error) {
    giveUp();
    if (error.name === "AbortError") say(() => words().stopped);
    else refuse(error);
  } finally {
    clearTimeout(page.redraw);
    page.redraw = null;
    page.running = null;
    working(false);
  }
  return undefined;
}

/** All but the photo. */
const requestOf = (candidates) => ({ model: chosenModel(), candidates: candidates.map(sentOf) });

function begin(candidates) {
  page.running = new AbortController();
  page.sent = page.photo;
  page.board = newBoard(candidates);
  page.answer = null;
  page.drawn = 0;
  page.spoken = performance.now();
  fault(null);
  clear($("grid"));
  show($("grid"), page.board);
  $("empty").hidden = true;
  $("after").hidden = true;
  $("command").hidden = true;
  $("save").hidden = true;
  say(() => words().sending);
  $("progress").removeAttribute("value");
  working(true);
  if (oneColumn.matches) document.querySelector(".results").scrollIntoView();
  writeCommand(requestOf(candidates));
}

function working(on) {
  const focused = document.activeElement === $(on ? "rank" : "stop");
  $("rank").disabled = on;
  $("running").hidden = !on;
  $("grid").ariaBusy = String(on);
  if (focused) $(on ? "stop" : "rank").focus({ preventScroll: true });
}

/** Draws what is known, at once or when the last time is long enough ago. */
function soon(event) {
  page.latest = event;
  const wait = Math.max(0, page.drawn + REDRAW_MS - performance.now());
  page.redraw ??= setTimeout(() => {
    page.redraw = null;
    page.drawn = performance.now();
    progress(page.latest);
  }, wait);
}

function progress({ done, candidates }) {
  const failed = page.board.filter((entry) => entry.state === "failed").length;
  $("progress").max = candidates;
  $("progress").value = done;
  show($("grid"), page.board);
  page.said = () => words().progress(done, candidates, failed);
  $("summary").textContent = page.said();
  if (performance.now() - page.spoken > SPOKEN_MS) {
    page.spoken = performance.now();
    $("spoken").textContent = page.said();
  }
}

function finish() {
  const { meta } = page.answer;
  say(() => {
    const { finished, partial } = words();
    const sentence = finished(meta.succeeded, meta.failed, duration(meta.timing_ms.total));
    return meta.partial ? `${sentence} ${partial}` : sentence;
  });
  show($("grid"), page.board);
  describeAnswer();
  $("after").hidden = false;
  $("command").hidden = false;
  $("save").hidden = false;
}

export function describeAnswer() {
  const { timing_ms: timing, cached } = page.answer.meta;
  $("timing-caption").textContent = words().timing(duration(timing.total), cached);
  showTiming($("timing"), timing);
  $("curl-note").textContent = page.sent.source ? words().curlExample : words().curlFile;
}

/** Keeps what is known, and takes the listings away when that is nothing. */
function giveUp() {
  page.board = abandoned(page.board);
  if (page.board.every(({ state }) => state === "left")) {
    page.board = [];
    clear($("grid"));
    $("empty").hidden = false;
  }
  show($("grid"), page.board);
}
