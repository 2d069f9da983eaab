/** The types in src/types.ts are those of the OpenAPI document, not more and not less. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import ts from "typescript";

interface Schema {
  $ref?: string;
  type?: string;
  const?: string;
  enum?: string[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema;
  required?: string[];
}

const root = process.cwd();
const api = await (await fetch(`${process.env["CLIP_RANKER_URL"]}/docs.json`)).json();

/** A schema as a TypeScript type; in a request, what has a default may be left out. */
function typeOf(schema: Schema): string {
  if (schema.$ref) return typeOf(schema.$ref.slice(2).split("/").reduce((node, part) => node[part], api));
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `(${typeOf(schema.items ?? {})})[]`;
  if (schema.properties) {
    const required = schema.required ?? [];
    const rows = Object.entries(schema.properties).map(
      ([name, property]) => `${name}${required.includes(name) ? "" : "?"}: ${typeOf(property)};`,
    );
    return `{ ${rows.join(" ")} }`;
  }
  if (schema.additionalProperties) return `Record<string, ${typeOf(schema.additionalProperties)}>`;
  return schema.type === "integer" ? "number" : (schema.type ?? "unknown");
}

const CONTRACT = `
import type * as ours from "../../src/types.ts";
type Plain<T> = T extends (infer I)[] ? Plain<I>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Same<A, B> =
  (<T>() => T extends Plain<A> ? 1 : 2) extends (<T>() => T extends Plain<B> ? 1 : 2) ? true : false;
`;

type Claim = readonly [ours: string, theirs: string];

/** What tsc says of the claims that one of our types is a given one; the claims that are false. */
function falseOf(claims: readonly Claim[]): Claim[] {
  const folder = mkdtempSync(join(root, "build", "contract-"));
  const file = join(folder, "contract.ts");
  const lines = claims.map(([ours, theirs], n) => `export const c${n}: Same<ours.${ours}, ${theirs}> = true;`);
  try {
    writeFileSync(file, [...lines, CONTRACT].join("\n"));
    const { options } = ts.parseJsonConfigFileContent(
      ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config, ts.sys, root,
    );
    const program = ts.createProgram([file], { ...options, noEmit: true });
    const source = program.getSourceFile(file);
    assert(source);
    return program.getSemanticDiagnostics(source).map(({ start }) => {
      const claim = claims[source.getLineAndCharacterOfPosition(start ?? 0).line];
      assert(claim, "the claims themselves are no TypeScript");
      return claim;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const json = (body: { content: Record<string, { schema: Schema }> }): Schema => {
  const schema = body.content["application/json"]?.schema;
  assert(schema);
  return schema;
};
const { "/rank": rank, "/rank/stream": stream, "/prefetch": prefetch, "/feedback": feedback } = api.paths;
const { "/models": models } = api.paths;

const OURS: Claim[] = [
  ["RankRequest", typeOf(json(rank.post.requestBody))],
  ["RankResponse", typeOf(json(rank.post.responses["200"]))],
  ["RankRequest", typeOf(json(stream.post.requestBody))],
  ["PrefetchRequest", typeOf(json(prefetch.post.requestBody))],
  ["PrefetchResponse", typeOf(json(prefetch.post.responses["202"]))],
  ["FeedbackRequest", typeOf(json(feedback.post.requestBody))],
  ["FeedbackResponse", typeOf(json(feedback.post.responses["200"]))],
  ["ModelsResponse", typeOf(json(models.get.responses["200"]))],
  ...["ScoredEvent", "FailedEvent", "AnswerEvent", "Fault"].map(
    (name): Claim => [name, typeOf(api.components.schemas[name])],
  ),
];
const WRONG: Claim[] = [
  ["PrefetchResponse", "{ accepted: string; known: number; refused: number; }"],
  ["PrefetchResponse", "{ accepted: number; known: number; }"],
  ["PrefetchResponse", "{ accepted?: number; known: number; refused: number; }"],
];

test("the types are what the document says, and a difference would be noticed", () => {
  assert.deepEqual(falseOf([...OURS, ...WRONG]), WRONG);
});
