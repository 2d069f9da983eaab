/* The page at /docs: /docs.json for people, with a form to try each endpoint. */

import { DOCS } from "./docs_words.js";
import { element } from "./element.js";
import { rememberKey, rememberedKey } from "./key.js";
import { speak, switchLanguage, words } from "./language.js";
import { example, examplePath, fields, isShown, operations, parametersOf, resolved, shapes } from "./openapi.js";
import { inline, learn, paragraphs } from "./prose.js";
import { fieldTable, statusTable } from "./tables.js";
import { trial } from "./trial.js";

const $ = (id) => document.getElementById(id);

$("key").value = rememberedKey();
$("key").addEventListener("change", () => rememberKey($("key").value));
$("key-form").addEventListener("submit", (event) => event.preventDefault());

speak(DOCS);
try {
  const [api, japanese] = await Promise.all(["docs.json", "static/docs.ja.json"].map(read));
  learn(japanese);
  show(api);
  if (location.hash) $(location.hash.slice(1))?.scrollIntoView();
  $("language").addEventListener("click", () => {
    switchLanguage();
    show(api);
  });
} catch (error) {
  $("error").textContent = words().noDocument(error.message);
  $("error").hidden = false;
}

async function read(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

function show(api) {
  $("title").textContent = api.info.title;
  $("about").replaceChildren(...inline(api.info.description), " ", words().version(api.info.version));
  $("index").replaceChildren();
  $("operations").replaceChildren();
  let group = null;
  for (const entry of operations(api)) {
    const id = `${entry.method}${entry.path}`.toLowerCase().replaceAll(/[^a-z]+/g, "-");
    const [tag] = entry.operation.tags ?? [];
    if (tag && tag !== group) $("index").append(element("p", "soft note", words().tags[tag] ?? tag));
    group = tag;
    $("index").append(linkTo(id, element("span", "verb", entry.method), entry.path));
    $("operations").append(section(id, entry, api));
  }
  $("index").append(element("p", "soft note", words().shapes), linkTo("errors", "ErrorBody"));
  $("operations").append(errors(api));
}

function linkTo(id, ...content) {
  const link = element("a");
  link.href = `#${id}`;
  link.append(...content);
  return link;
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
      row.bounds = [words().required, row.bounds].filter(Boolean).join(words().comma);
    }
    sheet.append(fieldTable(words().request, rows, heading));
  }
  const inPath = fields(parametersOf(operation), api);
  if (inPath.length) sheet.append(fieldTable(words().inPath, inPath, heading));
  sheet.append(statusTable(operation.responses, api, heading));
  for (const [status, answer] of Object.entries(operation.responses)) {
    if (status < "300") sheet.append(...answerOf(media(resolved(answer, api).content), heading, api));
  }
  sheet.append(isShown(operation) ? opener(examplePath(path, operation)) : trial(method, path, body, api));
  return sheet;
}

/** The fields of an answer, or of each kind of line that it is made of, and an example. */
function answerOf(content, heading, api) {
  const found = [];
  const rows = fields(content?.schema, api);
  if (rows.length) found.push(fieldTable(words().answer, rows, heading));
  for (const [name, schema] of shapes(content)) {
    found.push(fieldTable(words().line(name), fields(schema, api), heading));
  }
  const shown = example(content, api);
  if (shown) found.push(sample(shown, heading));
  return found;
}

/** The one shape of what is answered from 400 up. */
function errors(api) {
  const sheet = element("section", "sheet shape");
  sheet.id = "errors";
  const heading = element("h2", "", "ErrorBody");
  heading.id = "errors-heading";
  sheet.setAttribute("aria-labelledby", heading.id);
  const schema = api.components.schemas.ErrorBody;
  const text = element("div", "text");
  text.append(...paragraphs(schema.description));
  sheet.append(heading, text, fieldTable(words().fields, fields(schema, api), heading));
  sheet.append(sample(example({ schema }, api), heading));
  return sheet;
}

/** An example as JSON; lines of JSON are text already. */
function sample(value, heading) {
  const shown = element("pre", "", typeof value === "string" ? value : JSON.stringify(value, null, 2));
  shown.tabIndex = 0;
  shown.role = "region";
  shown.ariaLabel = words().sample(heading.textContent);
  return shown;
}

function opener(path) {
  const link = element("a", "", words().open(path));
  link.href = path.slice(1) || ".";
  const line = element("p");
  line.append(link);
  return line;
}

function media(content) {
  return Object.values(content ?? {})[0];
}

