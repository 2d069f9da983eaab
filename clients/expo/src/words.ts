/** What the screen says, in the phone's language. */

import type { ClipRankerError, Language, Match } from "clip-ranker-client";
import { useLocales } from "expo-localization";

import type { PhotoError } from "./photo";

export interface Words {
  /** In which the client says why a listing could not be ranked. */
  language: Language;
  take: string;
  choose: string;
  stop: (done: number, total: number) => string;
  undo: string;
  more: string;
  rankRest: string;
  settings: string;
  same: string;
  notSame: string;
  thanks: string;
  notTold: string;
  match: Record<Match, string>;
  photo: Record<PhotoError["reason"], string>;
  problem: Record<ClipRankerError["kind"] | "other", string>;
}

const EN: Words = {
  language: "en",
  take: "Take a photo",
  choose: "Choose one",
  stop: (done, total) => `Stop (${done} of ${total})`,
  undo: "Undo",
  more: "Show more",
  rankRest: "Rank the rest",
  settings: "Open the settings",
  same: "This is it",
  notSame: "Not this one",
  thanks: "Thank you, noted.",
  notTold: "This could not be noted. Rank again, then try once more.",
  match: { same: "Probably the same", similar: "Similar", different: "Probably another" },
  photo: {
    refused: "This app may not use the camera. Allow it in the settings.",
    unreadable: "This photo cannot be read. Take another one.",
  },
  problem: {
    bad_request: "This photo could not be compared. Take another one.",
    unauthorised: "The service refuses this app's key.",
    busy: "The service is busy. Try again in a moment.",
    unavailable: "The service has a fault. Try again later.",
    network: "The service could not be reached. Check the connection.",
    timeout: "This took too long. Try again.",
    other: "Something went wrong. Try again.",
  },
};

const JA: Words = {
  language: "ja",
  take: "写真を撮る",
  choose: "写真を選ぶ",
  stop: (done, total) => `中止（${done}/${total}）`,
  undo: "元に戻す",
  more: "もっと見る",
  rankRest: "残りも並べ替える",
  settings: "設定を開く",
  same: "この商品です",
  notSame: "違う商品です",
  thanks: "ありがとうございます。記録しました。",
  notTold: "記録できませんでした。並べ替え直してからお試しください。",
  match: { same: "おそらく同じ商品", similar: "似ている商品", different: "おそらく別の商品" },
  photo: {
    refused: "カメラを使用できません。設定で許可してください。",
    unreadable: "この写真を読み込めません。撮り直してください。",
  },
  problem: {
    bad_request: "この写真では比較できませんでした。撮り直してください。",
    unauthorised: "アプリのキーが受け付けられませんでした。",
    busy: "混み合っています。しばらくしてからお試しください。",
    unavailable: "サービスに問題が起きています。時間をおいてお試しください。",
    network: "通信できませんでした。電波の良い場所でお試しください。",
    timeout: "時間内に終わりませんでした。もう一度お試しください。",
    other: "うまくいきませんでした。もう一度お試しください。",
  },
};

export const useWords = (): Words => (useLocales()[0]?.languageCode === "ja" ? JA : EN);

/** The sentence for what ended a ranking. */
export const problemIn = (words: Words, problem: Error): string =>
  words.problem["kind" in problem ? (problem as ClipRankerError).kind : "other"];
