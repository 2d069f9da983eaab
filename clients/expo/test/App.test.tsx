/** The example's screen against the running service; only what a phone alone has is stood in for. */

import { fireEvent, render, screen, waitFor } from "@testing-library/react-native";
import { FlatList, Linking } from "react-native";
import { LinearTransition } from "react-native-reanimated";

import { ListingRow } from "../src/ListingRow";
import { found } from "../src/search";
import type { Words } from "../src/words";
import { phone } from "./phone";
import { photo, SERVICE } from "./watched";

jest.mock("expo-image-picker", () => jest.requireActual("./phone").picker);
jest.mock("expo-image-manipulator", () => jest.requireActual("./phone").manipulator);
jest.mock("expo-localization", () => jest.requireActual("./phone").localization);

process.env.EXPO_PUBLIC_CLIP_RANKER_URL = SERVICE;
process.env.EXPO_PUBLIC_CLIP_RANKER_KEY = process.env.CLIP_RANKER_KEY!;
const { default: App } = jest.requireActual("../App") as typeof import("../App");

const NAMES = /^(astronaut|brick|camera|cat|coffee|coins|grass|rocket)$/;
const order = () => screen.getAllByText(NAMES).map(({ children }) => children[0]);
interface Shown {
  props: { layout?: unknown };
  parent: Shown | null;
}
const glides = (one: Shown | null) => one?.props.layout === LinearTransition;
const press = (name: string) => fireEvent.press(screen.getByRole("button", { name }));
/** How many scores show; the elements themselves take seconds to print where they are not expected. */
const scores = () => screen.queryAllByText(/^-?\d\.\d{3}$/).length;

beforeEach(async () => {
  Object.assign(phone, { language: "en", cameraGranted: true, size: [4032, 3024], pending: null });
  phone.saved = await photo();
});

test("a photo puts the most alike on top, and scrolls there", async () => {
  const scroll = jest.spyOn(FlatList.prototype, "scrollToOffset");
  render(<App />);
  expect(order()[0]).toBe("astronaut");
  press("Take a photo");
  await screen.findByRole("button", { name: "Undo" });
  expect(order()[0]).toBe("cat");
  expect(scroll).toHaveBeenCalledWith({ offset: 0, animated: true });
  // Each row glides to its new place: React keeps it, by its key, and tells Reanimated.
  expect(screen.UNSAFE_root.findAll((one: Shown) => glides(one) && !glides(one.parent))).toHaveLength(5);
  press("Undo");
  expect(order()[0]).toBe("astronaut");
});

test("a second page keeps the scores, also where its ranking is stopped, and is ranked when asked for", async () => {
  render(<App />);
  press("Take a photo");
  await screen.findByRole("button", { name: "Undo" });
  expect(scores()).toBe(5);
  press("Show more");
  expect(order()).toHaveLength(8);
  expect(scores()).toBe(5);
  press("Rank the rest");
  press("Stop (0 of 3)");
  expect(scores()).toBe(5);
  press("Rank the rest");
  await waitFor(() => expect(scores()).toBe(8));
  expect(order()[0]).toBe("cat");
});

test("a camera that is refused is told, with the way to the settings", async () => {
  const settings = jest.spyOn(Linking, "openSettings").mockResolvedValue();
  phone.cameraGranted = false;
  phone.language = "ja";
  render(<App />);
  press("写真を撮る");
  expect((await screen.findByRole("alert")).children).toEqual([
    "カメラを使用できません。設定で許可してください。",
  ]);
  press("設定を開く");
  expect(settings).toHaveBeenCalled();
});

test("a photo that cannot be read is told and takes no ranking away", async () => {
  render(<App />);
  press("Take a photo");
  await screen.findByRole("button", { name: "Undo" });
  phone.size = null;
  press("Take a photo");
  await screen.findByText("This photo cannot be read. Take another one.");
  expect(order()[0]).toBe("cat");
});

test("the photo that Android lost is ranked when the app is back", async () => {
  phone.pending = { canceled: false, assets: [{ uri: "file:///lost.jpg" }] };
  render(<App />);
  await screen.findByRole("button", { name: "Undo" });
  expect(order()[0]).toBe("cat");
});

test("what a person recognises, and what not, is told to the service", async () => {
  const sent = jest.spyOn(globalThis, "fetch");
  phone.language = "ja";
  render(<App />);
  expect(screen.queryByRole("button", { name: /商品です$/ })).toBeNull();
  press("写真を撮る");
  await screen.findByRole("button", { name: "元に戻す" });
  expect(order()[0]).toBe("cat");
  fireEvent.press(screen.getAllByRole("button", { name: "この商品です" })[0]!);
  await screen.findByText("ありがとうございます。記録しました。");
  const other = found(1).find(({ name }) => name === order()[1])!;
  fireEvent.press(screen.getAllByRole("button", { name: "違う商品です" })[1]!);
  await screen.findByText("ありがとうございます。記録しました。");
  const verdicts = sent.mock.calls
    .filter(([to]) => String(to) === `${SERVICE}/feedback`)
    .map(([, init]) => JSON.parse(String(init?.body)));
  const request_id = expect.any(String);
  expect(verdicts).toEqual([
    { request_id, auction_id: "A4", same: true },
    { request_id, auction_id: other.id, same: false },
  ]);
  expect(verdicts[1].request_id).toBe(verdicts[0].request_id);
});

test("a row of which nothing changed is not drawn again", () => {
  const drawn = jest.fn(() => "this one");
  const words = Object.defineProperty({} as Words, "same", { get: drawn });
  const onVerdict = () => undefined;
  const row = (score: number) => (
    <ListingRow
      {...{ words, score, onVerdict, id: "A1", title: "cat", picture: "file:///cat.jpg" }}
      {...{ match: null, failure: null, requestId: "1" }}
    />
  );
  const { rerender } = render(row(0.5));
  rerender(row(0.5));
  expect(drawn).toHaveBeenCalledTimes(1);
  rerender(row(0.6));
  expect(drawn).toHaveBeenCalledTimes(2);
});
