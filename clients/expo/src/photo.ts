/** A photo of the person's, as the base64 of a small upright JPEG. */

import { shrinkPhoto } from "clip-ranker-client/expo";
import * as ImagePicker from "expo-image-picker";

/** Why there is no photo: the camera is refused, or what was taken cannot be read. */
export class PhotoError extends Error {
  constructor(readonly reason: "refused" | "unreadable") {
    super(reason);
  }
}

/**
 * Null when the person took none.
 *
 * @throws {PhotoError}
 */
export async function takePhoto(from: "camera" | "library"): Promise<string | null> {
  if (from === "library") return shrunk(await ImagePicker.launchImageLibraryAsync());
  if (!(await ImagePicker.requestCameraPermissionsAsync()).granted) throw new PhotoError("refused");
  return shrunk(await ImagePicker.launchCameraAsync());
}

/**
 * The photo of before Android ended the app to have memory for its camera; null when there is none.
 *
 * @throws {PhotoError}
 */
export async function lostPhoto(): Promise<string | null> {
  const result = await ImagePicker.getPendingResultAsync();
  if (result && "code" in result) throw new PhotoError("unreadable");
  return shrunk(result);
}

async function shrunk(picked: ImagePicker.ImagePickerResult | null): Promise<string | null> {
  const photo = picked?.assets?.[0];
  if (!photo) return null;
  return shrinkPhoto(photo.uri).catch(() => {
    throw new PhotoError("unreadable");
  });
}
