/** The shrinking of a photo, with the image memory of a phone counted. */

import { shrinkPhoto } from "clip-ranker-client/expo";

import { phone } from "./phone";

jest.mock("expo-image-manipulator", () => jest.requireActual("./phone").manipulator);

beforeEach(() => {
  phone.resized.length = 0;
  phone.saved = "/9j/";
});

test.each([
  [[4032, 3024], [{ width: 768 }]],
  [[3024, 4032], [{ height: 768 }]],
  [[768, 400], []],
] as const)("a photo of %p px is shrunk by %p, and its memory let go", async (size, resized) => {
  phone.size = [...size];
  expect(await shrinkPhoto("file:///photo.jpg")).toBe("/9j/");
  expect(phone.resized).toEqual(resized);
  expect(phone.held).toBe(0);
});

test("a photo that cannot be read or saved lets its memory go", async () => {
  phone.size = null;
  await expect(shrinkPhoto("file:///photo.jpg")).rejects.toThrow("cannot decode");
  phone.size = [100, 100];
  phone.saved = "";
  await expect(shrinkPhoto("file:///photo.jpg")).rejects.toThrow("could not be saved");
  expect(phone.held).toBe(0);
});
