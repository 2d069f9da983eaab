/** A photo of the person's, as the base64 of a small upright JPEG. */

import { ImageManipulator, SaveFormat } from "expo-image-manipulator";
import * as ImagePicker from "expo-image-picker";

const LONGEST_SIDE_PX = 768; // what the service would reduce it to anyway
const QUALITY = 0.85;

/**
 * Null when the person took none.
 *
 * @throws {Error} in a sentence for the person: no camera, or a photo that cannot be read.
 */
export async function takePhoto(from: "camera" | "library"): Promise<string | null> {
  if (from === "camera" && !(await ImagePicker.requestCameraPermissionsAsync()).granted) {
    throw new Error("This app may not use the camera. Allow it in the phone's settings.");
  }
  const picked = await (from === "camera"
    ? ImagePicker.launchCameraAsync({ mediaTypes: ["images"] })
    : ImagePicker.launchImageLibraryAsync({ mediaTypes: ["images"] }));
  const asset = picked.assets?.[0];
  if (!asset) return null;
  return shrunk(asset).catch(() => {
    throw new Error("This photo cannot be read. Take another one.");
  });
}

/**
 * Shrinks before base64, never after: the picker's own `base64` holds the whole photo, and on some
 * phones HEIC under the MIME type of a JPEG.
 */
async function shrunk({ uri, width, height }: ImagePicker.ImagePickerAsset): Promise<string> {
  const context = ImageManipulator.manipulate(uri);
  if (Math.max(width, height) > LONGEST_SIDE_PX) {
    context.resize(width >= height ? { width: LONGEST_SIDE_PX } : { height: LONGEST_SIDE_PX });
  }
  const image = await context.renderAsync();
  const saved = await image.saveAsync({ base64: true, compress: QUALITY, format: SaveFormat.JPEG });
  if (!saved.base64) throw new Error("the photo could not be saved as JPEG");
  return saved.base64;
}
