/** The sentences of failures, in both languages. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { message } from "../src/messages.ts";

const gone = {
  reason: "download_failed",
  detail: "HTTP 404 with a web page, “Sold $1 {status}”",
  detail_code: "http_status_page",
  detail_params: { status: 404, title: "Sold $1 {status}" },
} as const;

test("a failure is told in the language that is asked for, with what happened in brackets", () => {
  assert.equal(message(gone, "en"), `The picture could not be downloaded (${gone.detail}).`);
  assert.equal(
    message(gone, "ja"),
    "画像をダウンロードできませんでした（HTTP 404、Web ページ「Sold $1 {status}」）。",
  );
});

test("what this version does not know stays as the service said it", () => {
  const { reason, detail } = gone;
  const old = `画像をダウンロードできませんでした（${detail}）。`;
  assert.equal(message({ reason, detail }, "ja"), old);
  assert.equal(message({ reason, detail, detail_code: "constructor" }, "ja"), old);
  assert.equal(message({ ...gone, detail_code: "of_next_year" }, "ja"), old);
  assert.equal(message({ reason: "constructor" as "no_image", detail: "why" }, "en"), "constructor (why)");
});
