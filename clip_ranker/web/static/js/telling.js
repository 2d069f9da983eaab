/* What the page says of a run and of what went wrong, in the language of the moment. */

import { english } from "./element.js";
import { detailOf, reasonOf } from "./failures.js";
import { words } from "./language.js";
import { $, page } from "./page.js";
import { ServiceError } from "./service.js";

/** For the eyes and for a screen reader. */
export function say(sentence) {
  page.said = sentence;
  describeSaid();
}

export function describeSaid() {
  $("summary").textContent = page.said?.() ?? "";
  $("spoken").textContent = page.said?.() ?? "";
}

/** Tells why a run ended without an answer; what is no answer of the service is a fault of ours. */
export function refuse(error) {
  say(null);
  if (!(error instanceof ServiceError)) {
    fault(() => words().errors.page);
    throw error;
  }
  if (error.status === 401) {
    $("key-field").hidden = false;
    $("key").focus();
  }
  fault(() => sentenceOf(error));
}

function sentenceOf({ status, message, retryAfterS, detail }) {
  const { errors, brackets } = words();
  if (status === 401) return errors.unauthorised;
  if (retryAfterS) return errors.busy(retryAfterS);
  if (status === 0) return errors[message];
  const [first = {}] = detail;
  const { field, reason, message: why = "" } = first;
  if (reason) return errors.photo(reasonOf(reason), detailOf(first), brackets);
  const most = field === "candidates" && /at most (\d+) items/.exec(why);
  return most ? errors.tooMany(most[1]) : [errors.service, english(message)];
}

/** @param {(() => string | (string | Node)[])?} sentence */
export function fault(sentence) {
  page.fault = sentence;
  describeFault();
  if (sentence) $("error").scrollIntoView({ block: "nearest" }); // a phone may show the results
}

export function describeFault() {
  $("error").hidden = !page.fault;
  $("error").replaceChildren(...[page.fault?.() ?? []].flat());
}
