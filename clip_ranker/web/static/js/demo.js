/* The page at /demo: what the person does, and which part of the page answers. */

import { copyCommand, describeCopied } from "./command.js";
import { describeListings, describePhoto, loadExample, takeFile, takePhoto } from "./giving.js";
import { show } from "./grid.js";
import { rememberedKey } from "./key.js";
import { speak, switchLanguage } from "./language.js";
import { offerModels, rememberModel } from "./models.js";
import { $, page } from "./page.js";
import { describeAnswer, run } from "./ranking.js";
import { save } from "./save.js";
import { describeFault, describeSaid } from "./telling.js";
import { WORDS } from "./words.js";

speak(WORDS);
$("key").value = rememberedKey();
$("key-field").hidden = !$("key").value;
offerModels();

$("language").addEventListener("click", () => {
  switchLanguage();
  describePhoto();
  describeListings();
  describeFault();
  describeCopied();
  describeSaid();
  if (page.board.length) show($("grid"), page.board);
  if (page.answer) describeAnswer();
});
for (const id of ["file", "camera"]) {
  $(id).addEventListener("change", (event) => {
    if (event.target.files[0]) takePhoto(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });
}
$("drop").addEventListener("dragover", () => $("drop").classList.add("over"));
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
// On the whole page: a photo that misses the box must not take the page's place.
document.addEventListener("dragover", (event) => {
  if (!isText(event)) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  $("drop").classList.remove("over");
  if (isText(event)) return;
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) takeFile(file);
});
// Text goes where the cursor is, by itself.
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
  if (!file) return;
  event.preventDefault();
  takePhoto(file);
});
$("listings").addEventListener("input", describeListings);
$("model").addEventListener("change", rememberModel);
$("example").addEventListener("click", loadExample);
$("stop").addEventListener("click", () => page.running?.abort());
$("copy").addEventListener("click", copyCommand);
$("save-csv").addEventListener("click", () => save("csv"));
$("save-json").addEventListener("click", () => save("json"));
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!page.running) run();
});

/** Whether text is dragged over the field for it: the browser puts it in by itself. */
function isText(event) {
  return event.target === $("listings") && !event.dataTransfer.types.includes("Files");
}
