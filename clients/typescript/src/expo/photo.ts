/** A photo as the service likes it: a small upright JPEG. */

import { ImageManipulator, SaveFormat } from "expo-image-manipulator";

export interface ShrinkOptions {
  /** 768 when left out: what the service would reduce it to anyway. */
  longestSidePx?: number;
  /** Of the JPEG, 0 to 1; 0.85 when left out. */
  quality?: number;
}

/**
 * The base64 of a small JPEG of the photo at `uri`.
 *
 * Shrink before base64, never after: a picker's own `base64` holds the whole photo, and on some
 * phones HEIC under the MIME type of a JPEG.
 *
 * @throws {Error} of expo-image-manipulator, when the photo cannot be read.
 */
export async function shrinkPhoto(
  uri: string,
  { longestSidePx = 768, quality = 0.85 }: ShrinkOptions = {},
): Promise<string> {
  // Native memory, tens of megabytes each, that the garbage collector knows nothing of.
  const held: { release(): void }[] = [];
  const hold = <T extends { release(): void }>(it: T): T => (held.push(it), it);
  try {
    let image = hold(await hold(ImageManipulator.manipulate(uri)).renderAsync());
    const { width, height } = image; // a picker's may be those of the photo before it was turned
    if (Math.max(width, height) > longestSidePx) {
      const size = width >= height ? { width: longestSidePx } : { height: longestSidePx };
      image = hold(await hold(ImageManipulator.manipulate(image)).resize(size).renderAsync());
    }
    const saved = await image.saveAsync({ base64: true, compress: quality, format: SaveFormat.JPEG });
    if (!saved.base64) throw new Error("the photo could not be saved as JPEG");
    return saved.base64;
  } finally {
    for (const it of held) it.release();
  }
}
