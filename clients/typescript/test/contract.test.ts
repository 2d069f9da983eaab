/** The types in src/types.ts are those of the OpenAPI document, not more and not less. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import ts from "typescript";

interface Schema {
  $ref?: string;
  type?: string;
  enum?: string[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

const root = process.cwd();
const api = await (await fetch(`${process.env["CLIP_RANKER_URL"]}/docs.json`)).json();

/** A schema as a TypeScript type; in a request, what has a default may be left out. */
function typeOf(schema: Schema): string {
  if (schema.$ref) return typeOf(schema.$ref.slice(2).split("/").reduce((node, part) => node[part], api));
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `(${typeOf(schema.items ?? {})})[]`;
  if (schema.properties) {
    const required = schema.required ?? [];
    const rows = Object.entries(schema.properties).map(
      ([name, property]) => `${name}${required.includes(name) ? "" : "?"}: ${typeOf(property)};`,
    );
    return `{ ${rows.join(" ")} }`;
  }
  return schema.type === "integer" ? "number" : (schema.type ?? "unknown");
}

const CONTRACT = `
import type * as ours from "../src/types.ts";
type Plain<T> = T extends (infer I)[] ? Plain<I>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Same<A, B> =
  (<T>() => T extends Plain<A> ? 1 : 2) extends (<T>() => T extends Plain<B> ? 1 : 2) ? true : false;
`;

/** What tsc says of the claim that one of our types is that of a schema. */
function complaints(name: string, schema: Schema): string[] {
  const folder = mkdtempSync(join(root, "build", "contract-"));
  const file = join(folder, "contract.ts");
  const theirs = typeOf(schema);
  try {
    writeFileSync(
      file,
      CONTRACT.replace("../src/", "../../src/") + `export const same: Same<ours.${name}, ${theirs}> = true;\n`,
    );
    const { options } = ts.parseJsonConfigFileContent(
      ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config, ts.sys, root,
    );
    const program = ts.createProgram([file], { ...options, noEmit: true });
    return ts.getPreEmitDiagnostics(program).map(
      ({ messageText }) => `${ts.flattenDiagnosticMessageText(messageText, "\n")}\n${theirs}`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const json = (body: { content: Record<string, { schema: Schema }> }): Schema => {
  const schema = body.content["application/json"]?.schema;
  assert(schema);
  return schema;
};
const { "/rank": rank, "/rank/stream": stream, "/prefetch": prefetch } = api.paths;

for (const [name, schema] of [
  ["RankRequest", json(rank.post.requestBody)],
  ["RankResponse", json(rank.post.responses["200"])],
  ["RankRequest", json(stream.post.requestBody)],
  ["PrefetchRequest", json(prefetch.post.requestBody)],
  ["PrefetchResponse", json(prefetch.post.responses["202"])],
] as const) {
  test(`${name} is what the document says`, () => assert.deepEqual(complaints(name, schema), []));
}

test("a type that differs is noticed", () => {
  const { required, ...schema }: Schema = { type: "object", properties: { accepted: { type: "string" } } };
  assert.notEqual(complaints("PrefetchResponse", schema).length, 0);
});
