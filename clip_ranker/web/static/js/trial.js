/* The forms that try an endpoint. */

import { element } from "./element.js";
import { isKey } from "./key.js";
import { words } from "./language.js";
import { example } from "./openapi.js";

const $ = (id) => document.getElementById(id);

export function trial(method, path, body, api) {
  const form = element("form", "try");
  let input = null;
  if (body) {
    input = element("textarea");
    input.rows = 10;
    input.spellcheck = false;
    input.ariaLabel = words().bodyOf(`${method} ${path}`);
    input.value = JSON.stringify(example(body, api) ?? {}, null, 2);
    form.append(input);
  }
  const status = element("p", "soft");
  status.role = "status";
  const row = element("div", "row");
  row.append(element("button", "primary", words().send), status);
  const answer = element("pre");
  answer.hidden = true;
  answer.tabIndex = 0;
  answer.role = "region";
  answer.ariaLabel = words().answerOf(`${method} ${path}`);
  form.append(row, answer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(method, path, input?.value, { status, answer });
  });
  const details = element("details");
  details.append(element("summary", "", words().tryIt), form);
  return details;
}

async function send(method, path, body, { status, answer }) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const key = $("key").value.trim();
  if (key && !isKey(key)) {
    status.textContent = words().noKey;
    return;
  }
  if (key) headers.Authorization = `Bearer ${key}`;
  const start = performance.now();
  answer.hidden = false;
  answer.textContent = "";
  status.textContent = "…";
  try {
    const response = await fetch(path.slice(1), { method, headers, body });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      answer.textContent += part.value;
    }
    status.textContent = `${response.status}, ${Math.round(performance.now() - start)} ms`;
    answer.textContent = indented(answer.textContent);
  } catch (error) {
    status.textContent = words().noAnswer(error.message);
  }
}

/** JSON with line breaks; any other text, NDJSON too, as it is. */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
