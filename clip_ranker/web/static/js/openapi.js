/* Reads an OpenAPI 3.1 document. */

import { words } from "./language.js";

/** The document's operations in its order, as {method, path, operation}. */
export function operations(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => ["get", "post"].includes(method))
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** What a $ref points to, with whatever stands beside the $ref winning. */
export function resolved(schema, document) {
  if (!schema?.$ref) return schema ?? {};
  const { $ref, ...beside } = schema;
  const found = $ref.slice(2).split("/").reduce((node, part) => node[part], document);
  return { ...resolved(found, document), ...beside };
}

/**
 * The fields of an object and of the objects in it, as rows {name, required, type, bounds,
 * description}.
 */
export function fields(schema, document, prefix = "") {
  const { properties = {}, required = [] } = resolved(schema, document);
  return Object.entries(properties).flatMap(([name, property]) => {
    const shape = inner(property, document);
    const row = {
      name: prefix + name,
      required: required.includes(name),
      type: shape.type,
      bounds: bounds(shape.schema),
      description: resolved(property, document).description ?? "",
    };
    return [row, ...fields(shape.nested, document, `${prefix}${name}${shape.list ? "[]" : ""}.`)];
  });
}

function inner(property, document) {
  const schema = resolved(property, document);
  const choices = (schema.anyOf ?? []).filter((choice) => choice.type !== "null");
  if (choices.length === 1) {
    const { anyOf, ...beside } = schema;
    const { type, ...rest } = inner(choices[0], document);
    return { ...rest, type: words().orNull(type), schema: { ...rest.schema, ...beside } };
  }
  if (schema.type === "array") {
    const { type, nested } = inner(schema.items, document);
    return { type: words().listOf(type), list: true, schema, nested };
  }
  return { type: schema.type ?? "any", list: false, schema, nested: schema };
}

const BOUNDS = ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "enum", "const"];

function bounds(schema) {
  const said = BOUNDS.filter((key) => key in schema).map((key) => words()[key](schema[key]));
  if (schema.default != null) said.push(words().byDefault(schema.default));
  return said.join(words().comma);
}

/** The kinds of object that a media type has one of on each line, as [name, schema]. */
export function shapes(media) {
  return (media?.["x-itemSchema"]?.oneOf ?? []).map((schema) => [schema.$ref.split("/").pop(), schema]);
}

/** The first example of a media type or its schema, or undefined. */
export function example(media, document) {
  const named = Object.values(media?.examples ?? {})[0];
  const schema = resolved(media?.schema, document);
  return media?.example ?? named?.value ?? schema.example ?? schema.examples?.[0];
}

/** Whether an operation answers what a browser shows: a page, a picture, the way to one. */
export function isShown({ responses }) {
  const answer = responses["200"] ?? responses["202"] ?? {};
  const [kind] = Object.keys(answer.content ?? {});
  return !kind || kind === "text/html" || kind.startsWith("image/");
}

/** An operation's parameters as a schema, like that of a body. */
export function parametersOf({ parameters = [] }) {
  const named = parameters.map(({ name, schema, description }) => [name, { ...schema, description }]);
  return { properties: Object.fromEntries(named) };
}

/** The path with the examples of its parameters in their places. */
export function examplePath(path, { parameters = [] }) {
  return parameters.reduce((text, one) => text.replace(`{${one.name}}`, one.example), path);
}
