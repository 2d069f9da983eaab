/* Which language the page speaks: the remembered one, else the browser's. */

const KEY = "clip-ranker.language";

const SPOKEN = ["en", "ja"];
let sentences = {};
let language = remembered() ?? preferred(navigator.languages ?? [navigator.language]);

/** Of the page: "en" or "ja". */
export const current = () => language;

/** The sentences of the current language. */
export const words = () => sentences[language];

/** Gives the page its sentences, by language, and shows those of the current one. */
export function speak(given) {
  sentences = given;
  translate();
}

/** First of the browser's languages that we speak. */
export function preferred(languages) {
  const spoken = languages.map((tag) => tag.slice(0, 2).toLowerCase());
  return spoken.find((tag) => SPOKEN.includes(tag)) ?? "en";
}

/** Changes to the other language and remembers it. */
export function switchLanguage() {
  language = language === "en" ? "ja" : "en";
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
  translate();
}

/** Puts the current language's sentences into every element with data-text. */
function translate() {
  document.documentElement.lang = language;
  document.title = `${words()[document.documentElement.dataset.title ?? "heading"]} – clip-ranker`;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = words()[element.dataset.text];
  }
  const button = document.getElementById("language");
  button.textContent = words().otherLanguage;
  button.lang = language === "en" ? "ja" : "en";
}

function remembered() {
  try {
    const stored = localStorage.getItem(KEY);
    return SPOKEN.includes(stored) ? stored : null;
  } catch {
    return null;
  }
}
