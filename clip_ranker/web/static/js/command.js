/* The last request as a command to copy. */

import { curlCommand } from "./curl.js";
import { words } from "./language.js";
import { $, page } from "./page.js";

const THANKS_MS = 2000; // how long the button says that it copied

/** Writes down the command for what is about to be sent; `request` is all but the photo. */
export function writeCommand(request) {
  const { name: file, source } = page.sent;
  const options = { file, source, key: Boolean($("key").value) };
  const url = new URL(".", location.href).href.replace(/\/$/, "");
  $("curl").textContent = curlCommand(url, request, options);
  page.copied = null;
  describeCopied();
}

export async function copyCommand() {
  try {
    await navigator.clipboard.writeText($("curl").textContent);
    page.copied = () => words().copied;
    $("copied").className = "unseen"; // the button shows it
    $("copy").textContent = words().copied;
    setTimeout(() => ($("copy").textContent = words().copy), THANKS_MS);
  } catch {
    page.copied = () => words().copyFailed;
    $("copied").className = "note";
  }
  describeCopied();
}

export function describeCopied() {
  $("copied").textContent = page.copied?.() ?? "";
}
