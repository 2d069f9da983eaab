/** A new element; the text is text, whatever it contains. */
export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** A text of the service's, which speaks English whatever the page does. */
export function english(text) {
  const made = element("span", "", text);
  made.lang = "en";
  return made;
}
