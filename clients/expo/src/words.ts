/** What the screen says, in the phone's language. */

import type { ClipRankerError, FailureReason, Match } from "clip-ranker-client";
import { useLocales } from "expo-localization";

import type { PhotoError } from "./photo";

export interface Words {
  take: string;
  choose: string;
  stop: (done: number, total: number) => string;
  undo: string;
  more: string;
  rankRest: string;
  settings: string;
  same: string;
  thanks: string;
  notTold: string;
  match: Record<Match, string>;
  photo: Record<PhotoError["reason"], string>;
  problem: Record<ClipRankerError["kind"] | "other", string>;
  failure: Record<FailureReason, string>;
}

const EN: Words = {
  take: "Take a photo",
  choose: "Choose one",
  stop: (done, total) => `Stop (${done} of ${total})`,
  undo: "Undo",
  more: "Show more",
  rankRest: "Rank the new ones too",
  settings: "Open the settings",
  same: "This is it",
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
  failure: {
    download_failed: "The picture could not be downloaded",
    timed_out: "The picture did not come in time",
    url_blocked: "The picture's address is not allowed",
    too_large: "The picture is too large",
    not_an_image: "The picture cannot be read",
    no_image: "No picture",
    embed_failed: "The picture could not be compared",
  },
};

const JA: Words = {
  take: "写真を撮る",
  choose: "写真を選ぶ",
  stop: (done, total) => `中止（${done}/${total}）`,
  undo: "元に戻す",
  more: "もっと見る",
  rankRest: "追加分も並べ替える",
  settings: "設定を開く",
  same: "この商品です",
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
  failure: {
    download_failed: "画像をダウンロードできませんでした",
    timed_out: "時間内に画像が届きませんでした",
    url_blocked: "許可されていない画像のURLです",
    too_large: "画像が大きすぎます",
    not_an_image: "画像を読み込めません",
    no_image: "画像がありません",
    embed_failed: "画像を比較できませんでした",
  },
};

export const useWords = (): Words => (useLocales()[0]?.languageCode === "ja" ? JA : EN);

/** The sentence for what ended a ranking. */
export const problemIn = (words: Words, problem: Error): string =>
  words.problem["kind" in problem ? (problem as ClipRankerError).kind : "other"];
