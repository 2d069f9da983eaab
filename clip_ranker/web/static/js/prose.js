/* Descriptions as nodes. */

import { element, english } from "./element.js";
import { current } from "./language.js";

const translated = new Map();

/** What each of the document's English texts is in Japanese. */
export function learn(texts) {
  for (const [text, japanese] of Object.entries(texts)) translated.set(text, japanese);
}

export function paragraphs(text) {
  const said = current() === "ja" ? translated.get(text) : text;
  return (said ?? text).split(/\n\s*\n/).map((block) => {
    const paragraph = element("p");
    if (said === undefined) paragraph.lang = "en";
    paragraph.append(...nodes(block));
    return paragraph;
  });
}

/** A text of the document, in the page's language where it is known in it, as nodes. */
export function inline(text) {
  const said = current() === "ja" && text ? translated.get(text) : text;
  if (said !== undefined) return nodes(said);
  const span = english("");
  span.append(...nodes(text));
  return [span];
}

/** Text with `code` in it. */
function nodes(text) {
  return text.split("`").map((part, index) => (index % 2 ? code(part) : part));
}

export function code(text) {
  return element("code", "", text);
}
