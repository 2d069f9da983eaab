/** What is used of expo-image-manipulator, an optional peer; the example checks it with the real one. */

declare module "expo-image-manipulator" {
  interface Held {
    release(): void;
  }
  interface ImageRef extends Held {
    readonly width: number;
    readonly height: number;
    saveAsync(options: {
      base64: boolean;
      compress: number;
      format: SaveFormat;
    }): Promise<{ base64?: string }>;
  }
  interface Context extends Held {
    resize(size: { width?: number; height?: number }): Context;
    renderAsync(): Promise<ImageRef>;
  }
  export const ImageManipulator: { manipulate(source: string | ImageRef): Context };
  export enum SaveFormat {
    JPEG = "jpeg",
  }
}
