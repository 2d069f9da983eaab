/* Descriptions as nodes. */

import { element } from "./element.js";

export function paragraphs(text) {
  return text.split(/\n\s*\n/).map((block) => {
    const paragraph = element("p");
    paragraph.append(...inline(block));
    return paragraph;
  });
}

/** Text with `code` in it, as nodes. */
export function inline(text) {
  return text.split("`").map((part, index) => (index % 2 ? code(part) : part));
}

export function code(text) {
  return element("code", "", text);
}
