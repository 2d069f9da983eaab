/* The choice of a model at /demo, where the service has several. */

import { $ } from "./page.js";

const NAME = "clip-ranker.model";

/** Shows the field where there is something to choose, with the remembered one chosen. */
export async function offerModels() {
  const said = await fetch("models").then((response) => response.json()).catch(() => null);
  const names = said?.models?.map(({ name }) => name) ?? [];
  if (names.length < 2) return;
  $("model").replaceChildren(...names.map((name) => new Option(name)));
  $("model").value = names.includes(remembered()) ? remembered() : said.default;
  $("model-field").hidden = false;
}

/** What a request says of it; undefined where there is no choice. */
export const chosenModel = () => $("model").value || undefined;

export function rememberModel() {
  try {
    localStorage.setItem(NAME, $("model").value);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
}

function remembered() {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null;
  }
}
