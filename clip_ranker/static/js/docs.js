/* The page at /docs: /docs.json for people, with a form to try each endpoint. */

import { element } from "./element.js";
import { rememberKey, rememberedKey } from "./key.js";
import { example, examplePath, fields, isShown, operations, parametersOf, resolved } from "./openapi.js";

const $ = (id) => document.getElementById(id);

$("key").value = rememberedKey();
$("key").addEventListener("change", () => rememberKey($("key").value));
$("key-form").addEventListener("submit", (event) => event.preventDefault());

try {
  const response = await fetch("docs.json");
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  show(await response.json());
} catch (error) {
  $("error").textContent = `The API's document cannot be shown: ${error.message}`;
  $("error").hidden = false;
}

function show(api) {
  $("title").textContent = api.info.title;
  $("about").replaceChildren(...inline([api.info.description, `Version ${api.info.version}.`].filter(Boolean).join(" ")));
  let group = null;
  for (const entry of operations(api)) {
    const id = `${entry.method}${entry.path}`.toLowerCase().replaceAll(/[^a-z]+/g, "-");
    const link = element("a");
    link.href = `#${id}`;
    link.append(element("span", "verb", entry.method), entry.path);
    const [tag] = entry.operation.tags ?? [];
    if (tag && tag !== group) $("index").append(element("p", "soft note", tag));
    group = tag;
    $("index").append(link);
    $("operations").append(section(id, entry, api));
  }
  if (location.hash) $(location.hash.slice(1))?.scrollIntoView();
}

function section(id, { method, path, operation }, api) {
  const sheet = element("section", "sheet operation");
  sheet.id = id;
  const heading = element("h2");
  heading.id = `${id}-heading`;
  heading.append(element("span", "verb", method), element("span", "", path));
  sheet.setAttribute("aria-labelledby", heading.id);
  const text = element("div", "text");
  text.append(...[operation.summary, operation.description].filter(Boolean).flatMap(paragraphs));
  sheet.append(heading, text);
  const body = media(resolved(operation.requestBody, api).content);
  if (body) {
    const rows = fields(body.schema, api);
    for (const row of rows.filter(({ required }) => required)) {
      row.bounds = ["required", row.bounds].filter(Boolean).join(", ");
    }
    sheet.append(fieldTable("Request", rows, heading));
  }
  const inPath = fields(parametersOf(operation), api);
  if (inPath.length) sheet.append(fieldTable("In the path", inPath, heading));
  sheet.append(statusTable(operation.responses, api, heading));
  for (const [status, answer] of Object.entries(operation.responses)) {
    const rows = status < "300" ? fields(media(resolved(answer, api).content)?.schema, api) : [];
    if (rows.length) sheet.append(fieldTable("Answer", rows, heading));
  }
  sheet.append(isShown(operation) ? opener(examplePath(path, operation)) : trial(method, path, body, api));
  return sheet;
}

function opener(path) {
  const link = element("a", "", "Open it");
  link.href = path.slice(1) || ".";
  const line = element("p");
  line.append(link);
  return line;
}

function media(content) {
  return Object.values(content ?? {})[0];
}

function fieldTable(caption, rows, heading) {
  return table(caption, heading, rows.map(({ name, type, bounds, description }) => {
    const about = element("td");
    about.append(...inline(description));
    if (bounds) about.append(element("div", "soft", bounds));
    return [code(name), element("td", "kind", type), about];
  }));
}

function statusTable(responses, api, heading) {
  return table("Statuses", heading, Object.entries(responses).map(([status, answer]) => {
    const about = element("td");
    about.append(...inline(resolved(answer, api).description ?? ""));
    return [code(status), about];
  }));
}

function table(caption, heading, rows) {
  const made = element("table");
  made.append(element("caption", "", caption));
  for (const [first, ...rest] of rows) {
    const row = element("tr");
    const head = element("th");
    head.scope = "row";
    head.append(first);
    row.append(head, ...rest);
    made.append(row);
  }
  const frame = element("div", "scroll");
  frame.tabIndex = 0;
  frame.role = "region";
  frame.ariaLabel = `${caption}, ${heading.textContent}`;
  frame.append(made);
  return frame;
}

function trial(method, path, body, api) {
  const form = element("form", "try");
  let input = null;
  if (body) {
    input = element("textarea");
    input.rows = 10;
    input.spellcheck = false;
    input.ariaLabel = `Body of ${method} ${path}`;
    input.value = JSON.stringify(example(body, api) ?? {}, null, 2);
    form.append(input);
  }
  const status = element("p", "soft");
  status.role = "status";
  const row = element("div", "row");
  row.append(element("button", "primary", "Send"), status);
  const answer = element("pre");
  answer.hidden = true;
  answer.tabIndex = 0;
  answer.role = "region";
  answer.ariaLabel = `Answer of ${method} ${path}`;
  form.append(row, answer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(method, path, input?.value, { status, answer });
  });
  const details = element("details");
  details.append(element("summary", "", "Try it"), form);
  return details;
}

async function send(method, path, body, { status, answer }) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if ($("key").value) headers.Authorization = `Bearer ${$("key").value}`;
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
    status.textContent = `No answer: ${error.message}`;
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

function paragraphs(text) {
  return text.split(/\n\s*\n/).map((block) => {
    const paragraph = element("p");
    paragraph.append(...inline(block));
    return paragraph;
  });
}

/** Text with `code` in it, as nodes. */
function inline(text) {
  return text.split("`").map((part, index) => (index % 2 ? code(part) : part));
}

function code(text) {
  return element("code", "", text);
}
