/* Why a picture could not be ranked, in the language of the page. */

import { element, english } from "./element.js";
import { current, words } from "./language.js";
import { TEXTS } from "./texts.js"; // the service's own, so that no code is without its sentence

/** What a reason means, or the reason itself where this page does not know it. */
export const reasonOf = (reason) => TEXTS[reason]?.[current()] ?? reason;

/** What happened, as a text; null where this page does not know the code. */
export function detailOf({ reason, detail_code: code, detail_params: params }) {
  const template = TEXTS[reason]?.details?.[code]?.[current()];
  return template?.replace(/\{(\w+)\}/g, (_, name) => params?.[name] ?? "") ?? null;
}

/** Both in one sentence, as nodes. */
export function whyOf(failure) {
  const [, sentence, stop] = /^(.*?)([.。]?)$/s.exec(reasonOf(failure.reason));
  const [open, close] = words().brackets;
  const aside = element("span", "soft");
  aside.append(open, detailOf(failure) ?? english(failure.detail), close);
  return [sentence, aside, stop];
}
