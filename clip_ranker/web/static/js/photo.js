/* A file of the person's to what is sent: a JPEG of at most 768 px, or the file itself. */

const LONGEST_SIDE_PX = 768; // what the service would reduce it to anyway
const QUALITY = 0.85;

/**
 * Shrinks, turns upright and drops what the camera wrote into the file (place, time).
 *
 * @param {Blob} file
 * @returns {Promise<{blob: Blob, width: number?, height: number?}>} without a size when this
 *   browser cannot decode the file (HEIC): the service can, or says what is wrong with it.
 */
export async function shrink(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return { blob: file, width: null, height: null };
  }
  const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // under what is transparent, as the service does
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  return { blob: blob ?? file, width: canvas.width, height: canvas.height };
}

/** The bytes of a blob as base64. */
export function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
