/** For Expo: the hook behind a list of search results, and the shrinking of a photo. */

export type { Control, RankingOptions } from "./control.ts";
export { shrinkPhoto, type ShrinkOptions } from "./photo.ts";
export type { Known, Listing, Row, RowFailure } from "./session.ts";
export { useRanking, type Session } from "./useRanking.ts";
