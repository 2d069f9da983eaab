/* Photo and listings, from the person to the page at /demo. */

import { words } from "./language.js";
import { parseListings } from "./listings.js";
import { $, page } from "./page.js";
import { shrink } from "./photo.js";
import { fault } from "./telling.js";

export const NO_PHOTO = () => words().needPhoto;
export const NO_LISTINGS = () => words().needListings;

/** A photo, or a file of listings. */
export async function takeFile(file) {
  if (!/^(text\/|application\/json)/.test(file.type)) return takePhoto(file);
  $("listings").value = await file.text();
  return describeListings();
}

/** `source` is the URL of the photo, where the service knows it by one. */
export async function takePhoto(file, { name = file.name, source } = {}) {
  const turn = ++page.chosen;
  const photo = { name, source, ...(await shrink(file)) };
  if (turn !== page.chosen) return; // another one was chosen meanwhile
  if (page.photo?.url) URL.revokeObjectURL(page.photo.url);
  if (photo.width) photo.url = URL.createObjectURL(photo.blob);
  page.photo = photo;
  fault(null);
  describePhoto();
}

export function describePhoto() {
  const { photo } = page;
  if (!photo) return;
  const kb = Math.max(1, Math.round(photo.blob.size / 1000));
  const { photoReady, photoAsIs, previewAlt } = words();
  $("photo-note").textContent = photo.width ? photoReady(photo.width, photo.height, kb) : photoAsIs(kb);
  $("preview").hidden = !photo.url;
  if (photo.url) $("preview").src = photo.url;
  $("preview").alt = previewAlt;
}

/** The listings in the field, or null when they cannot be read, which the note under it tells. */
export function describeListings() {
  const note = $("listings-note");
  const text = $("listings");
  try {
    const listings = parseListings(text.value);
    note.textContent = listings.length ? words().listingsCount(listings.length) : "";
    text.removeAttribute("aria-invalid");
    if (listings.length && page.fault === NO_LISTINGS) fault(null);
    return listings;
  } catch (error) {
    const sentence = words()[error.kind];
    note.textContent = typeof sentence === "function" ? sentence(error.about) : sentence;
    text.setAttribute("aria-invalid", "true");
    return null;
  }
}

export async function loadExample() {
  try {
    await fillInExample();
  } catch {
    fault(() => words().errors.unreachable);
  }
}

async function fillInExample() {
  const titles = words().examples;
  const listings = titles.map((title, index) => ({
    auction_id: `A${index + 1}`,
    image_url: `example:mug-${index + 1}`,
    title,
  }));
  $("listings").value = JSON.stringify(listings, null, 2);
  describeListings();
  const picture = await fetch("examples/mug.jpg");
  await takePhoto(await picture.blob(), { name: "mug.jpg", source: "example:mug" });
  $("rank").focus();
}
