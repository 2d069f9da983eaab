/* The results as a file. */

import { inOrder } from "./board.js";
import { $, page } from "./page.js";

const COLUMNS = ["rank", "score", "match", "probability", "auction_id", "title", "url", "image_url",
  "reason", "detail"];
const KEPT_MS = 40_000; // some browsers read the file only after the click
const BYTE_ORDER_MARK = "\ufeff"; // without it Excel takes Japanese for something else

/** @param {"csv" | "json"} kind */
export function save(kind) {
  const text = kind === "csv" ? csv(page.board) : `${JSON.stringify(page.answer, null, 2)}\n`;
  const type = kind === "csv" ? "text/csv;charset=utf-8" : "application/json";
  const link = $("saved");
  const href = URL.createObjectURL(new Blob([text], { type }));
  link.href = href;
  link.download = `clip-ranker.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), KEPT_MS);
}

/** A table for a spreadsheet, best first, and at its end what failed. */
export function csv(board) {
  const columns = COLUMNS.filter(
    (name) => !["match", "probability"].includes(name) || board.some((entry) => entry[name] != null),
  );
  let rank = 0;
  const rows = inOrder(board).map((entry) => {
    const cells = { ...entry.candidate, ...entry, rank: entry.state === "scored" ? ++rank : null };
    return columns.map((name) => cell(cells[name]));
  });
  return BYTE_ORDER_MARK + [columns, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

/** Text that a spreadsheet would run as a formula gets an apostrophe in front. */
function cell(value) {
  if (typeof value === "number") return String(value);
  const text = String(value ?? "");
  const harmless = /^\s*[=+\-@＝＋－＠\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
