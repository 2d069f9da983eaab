/* The page at /demo: what the person does, and what becomes of it. */

import { abandoned, after, newBoard } from "./board.js";
import { curlCommand } from "./curl.js";
import { clear, show } from "./grid.js";
import { switchLanguage, translate, words } from "./language.js";
import { rememberKey, rememberedKey } from "./key.js";
import { parseListings } from "./listings.js";
import { base64, shrink } from "./photo.js";
import { rank } from "./service.js";
import { duration, showTiming } from "./timing.js";

const REDRAW_MS = 200; // often enough to feel alive, seldom enough to follow with the eyes
const THANKS_MS = 2000; // how long the copy button says that it copied
const SPOKEN_MS = 2000; // how often a screen reader hears of progress

const oneColumn = matchMedia("(max-width: 899px)"); // as in demo.css

const $ = (id) => document.getElementById(id);
const page = {
  photo: null, chosen: 0, // how many photos were chosen: reading a large one takes a while
  sent: null, // the photo of the last run
  board: [], answer: null, said: null, fault: null, running: null,
  drawn: 0, redraw: null, // when the grid was drawn, and the timer that will draw it next
  spoken: 0,
};

translate();
$("key").value = rememberedKey();
$("key-field").hidden = !$("key").value;

$("language").addEventListener("click", () => {
  switchLanguage();
  describePhoto();
  describeListings();
  describeFault();
  describeSaid();
  if (page.board.length) show($("grid"), page.board);
  if (page.answer) describeAnswer();
});
for (const id of ["file", "camera"]) {
  $(id).addEventListener("change", (event) => {
    if (event.target.files[0]) takePhoto(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });
}
$("drop").addEventListener("dragover", () => $("drop").classList.add("over"));
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
// On the whole page: a photo that misses the box must not take the page's place.
document.addEventListener("dragover", (event) => {
  if (!isText(event)) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  $("drop").classList.remove("over");
  if (isText(event)) return;
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) takeFile(file);
});
$("listings").addEventListener("input", describeListings);
$("example").addEventListener("click", loadExample);
$("stop").addEventListener("click", () => page.running?.abort());
$("copy").addEventListener("click", copyCommand);
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!page.running) run();
});

/** Whether text is dragged over the field for it: the browser puts it in by itself. */
function isText(event) {
  return event.target === $("listings") && !event.dataTransfer.types.includes("Files");
}

async function takeFile(file) {
  if (!/^(text\/|application\/json)/.test(file.type)) return takePhoto(file);
  $("listings").value = await file.text();
  return describeListings();
}

/** `source` is the URL of the photo, where the service knows it by one. */
async function takePhoto(file, { name = file.name, source, mirrored } = {}) {
  const turn = ++page.chosen;
  const photo = { name, source, ...(await shrink(file, { mirrored })) };
  if (turn !== page.chosen) return; // another one was chosen meanwhile
  if (page.photo?.url) URL.revokeObjectURL(page.photo.url);
  if (photo.width) photo.url = URL.createObjectURL(photo.blob);
  page.photo = photo;
  fault(null);
  describePhoto();
}

function describePhoto() {
  const { photo } = page;
  if (!photo) return;
  const kb = Math.max(1, Math.round(photo.blob.size / 1000));
  const { photoReady, photoAsIs, previewAlt } = words();
  $("photo-note").textContent = photo.width ? photoReady(photo.width, photo.height, kb) : photoAsIs(kb);
  $("preview").hidden = !photo.url;
  if (photo.url) $("preview").src = photo.url;
  $("preview").alt = previewAlt;
}

/** The listings in the field, or null when they cannot be read, which the note under it tells. */
function describeListings() {
  const note = $("listings-note");
  const text = $("listings");
  try {
    const listings = parseListings(text.value);
    note.textContent = listings.length ? words().listingsCount(listings.length) : "";
    text.removeAttribute("aria-invalid");
    return listings;
  } catch (error) {
    const sentence = words()[error.kind];
    note.textContent = typeof sentence === "function" ? sentence(error.about) : sentence;
    text.setAttribute("aria-invalid", "true");
    return null;
  }
}

async function loadExample() {
  try {
    await fillInExample();
  } catch {
    fault(() => words().errors.unreachable);
  }
}

async function fillInExample() {
  const { pictures } = await (await fetch("examples.json")).json();
  const titles = words().examples;
  const listings = pictures.map((name, index) => ({
    auction_id: `A${index + 1}`,
    image_url: `example:${name}`,
    title: titles[name] ?? name,
  }));
  $("listings").value = JSON.stringify(listings, null, 2);
  describeListings();
  const picture = await (await fetch("examples/cat.jpg")).blob();
  // Mirrored, or the best match would be the very same picture.
  await takePhoto(picture, { name: "cat.jpg", source: "example:cat", mirrored: true });
  $("rank").focus();
}

async function run() {
  const candidates = describeListings();
  if (!page.photo) return fault(() => words().needPhoto);
  if (!candidates) return $("listings").focus();
  if (!candidates.length) return fault(() => words().needListings);
  begin(candidates);
  const options = { key: $("key").value, signal: page.running.signal };
  try {
    const request = { query_image_base64: await base64(page.sent.blob), candidates };
    for await (const event of rank(request, options)) {
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
  say(() => words().sending);
  $("progress").removeAttribute("value");
  working(true);
  if (oneColumn.matches) document.querySelector(".results").scrollIntoView();
  const { name: file, source } = page.sent;
  const options = { file, source, key: Boolean($("key").value) };
  $("curl").textContent = curlCommand(new URL(".", location.href).href.replace(/\/$/, ""), { candidates }, options);
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

/** For the eyes and for a screen reader. */
function say(sentence) {
  page.said = sentence;
  describeSaid();
}

function describeSaid() {
  $("summary").textContent = page.said?.() ?? "";
  $("spoken").textContent = page.said?.() ?? "";
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
}

function describeAnswer() {
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

function refuse(error) {
  say(null);
  if (error.status === 401) {
    $("key-field").hidden = false;
    $("key").focus();
    fault(() => words().errors.unauthorised);
  } else if (error.retryAfterS) {
    fault(() => words().errors.busy(error.retryAfterS));
  } else if (error.status === 0) {
    fault(() => words().errors[error.message]);
  } else {
    fault(() => words().errors.service(error.message));
  }
}

function fault(sentence) {
  page.fault = sentence;
  describeFault();
  if (sentence) $("error").scrollIntoView({ block: "nearest" }); // a phone may show the results
}

function describeFault() {
  $("error").hidden = !page.fault;
  $("error").textContent = page.fault?.() ?? "";
}

async function copyCommand() {
  try {
    await navigator.clipboard.writeText($("curl").textContent);
    $("copy").textContent = words().copied;
    $("copied").textContent = words().copied;
    setTimeout(() => ($("copy").textContent = words().copy), THANKS_MS);
  } catch {
    $("copied").textContent = words().copyFailed;
    $("copied").className = "note";
  }
}
