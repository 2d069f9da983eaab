/** Why a listing could not be ranked, in words to show. */

import { TEXTS } from "./texts.ts";
import type { Failure } from "./types.ts";

export type Language = "en" | "ja";

type Words = Record<Language, string>;

const REASONS: Record<string, Words & { details?: Record<string, Words> }> = TEXTS;
const BRACKETS = { en: [" (", ")"], ja: ["（", "）"] } as const;

/**
 * A sentence: what the failure's reason means, and in brackets what happened.
 *
 * What a newer service tells and this version does not know stays as the service said it.
 */
export function message(
  { reason, detail, detail_code, detail_params }: Omit<Failure, "auction_id">,
  language: Language,
): string {
  const words = REASONS[reason];
  const template = words?.details?.[detail_code ?? ""]?.[language];
  const happened = template?.replace(/\{(\w+)\}/g, (_, name) => String(detail_params?.[name] ?? "")) ?? detail;
  const [, sentence = reason, stop = ""] = /^(.*?)([.。]?)$/.exec(words?.[language] ?? reason) ?? [];
  const [open, close] = BRACKETS[language];
  return sentence + open + happened + close + stop;
}
