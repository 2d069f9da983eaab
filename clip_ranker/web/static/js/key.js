/* The access key, for as long as the tab is open; shared by /demo and /docs. */

/** Whether a text can be a key at all: a header takes no other characters. */
export const isKey = (text) => /^[\x21-\x7e]+$/.test(text);

const NAME = "clip-ranker.key";

export function rememberedKey() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // storage is off: the key is typed again
  }
}

export function rememberKey(key) {
  try {
    sessionStorage.setItem(NAME, key);
  } catch {
    // Storage is off: the key is typed again.
  }
}
