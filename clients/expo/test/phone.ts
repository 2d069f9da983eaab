/** What only a phone has, as far as the example asks for it: camera, library, image memory. */

export const phone = {
  language: "en",
  cameraGranted: true,
  /** Width and height of each photo, in pixels; null is one that cannot be read. */
  size: [4032, 3024] as [number, number] | null,
  /** Base64 of what the shrunk photo is saved as. */
  saved: "",
  pending: null as unknown,
  resized: [] as object[],
  held: 0,
};

const photo = { canceled: false, assets: [{ uri: "file:///photo.heic", width: 1, height: 1 }] };

export const picker = {
  requestCameraPermissionsAsync: async () => ({ granted: phone.cameraGranted }),
  launchCameraAsync: async () => photo,
  launchImageLibraryAsync: async () => ({ canceled: true, assets: null }),
  getPendingResultAsync: async () => phone.pending,
};

function held<T extends object>(it: T): T & { release(): void } {
  phone.held += 1;
  return { ...it, release: () => void (phone.held -= 1) };
}

function manipulate(source: string | { width: number; height: number }): object {
  let size = typeof source === "string" ? phone.size : ([source.width, source.height] as const);
  const context = held({
    resize({ width, height }: { width?: number; height?: number }) {
      phone.resized.push({ width, height });
      size = [width ?? 1, height ?? 1];
      return context;
    },
    async renderAsync() {
      if (!size) throw new Error("cannot decode");
      return held({ width: size[0], height: size[1], saveAsync: async () => ({ base64: phone.saved }) });
    },
  });
  return context;
}

export const manipulator = { ImageManipulator: { manipulate }, SaveFormat: { JPEG: "jpeg" } };
export const localization = { useLocales: () => [{ languageCode: phone.language }] };
