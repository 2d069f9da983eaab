/* Which language the page speaks: the remembered one, else the browser's. */

import { WORDS } from "./words.js";

const KEY = "clip-ranker.language";

let current = remembered() ?? preferred(navigator.languages ?? [navigator.language]);

/** The sentences of the current language. */
export const words = () => WORDS[current];

/** First of the browser's languages that we speak. */
export function preferred(languages) {
  const spoken = languages.map((tag) => tag.slice(0, 2).toLowerCase());
  return spoken.find((tag) => tag in WORDS) ?? "en";
}

/** Changes to the other language and remembers it. */
export function switchLanguage() {
  current = current === "en" ? "ja" : "en";
  try {
    localStorage.setItem(KEY, current);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
  translate();
}

/** Puts the current language's sentences into every element with data-text. */
export function translate() {
  document.documentElement.lang = current;
  document.title = `${words().heading} – clip-ranker`;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = words()[element.dataset.text];
  }
  const button = document.getElementById("language");
  button.textContent = words().otherLanguage;
  button.lang = current === "en" ? "ja" : "en";
}

function remembered() {
  try {
    const language = localStorage.getItem(KEY);
    return language in WORDS ? language : null;
  } catch {
    return null;
  }
}
