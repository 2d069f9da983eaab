"""Texts as listings have them, and as they should not: what a tokeniser must take alike."""

import random
from itertools import islice

ENGLISH = [
    *("LEGO", "75192", "Millennium", "Falcon", "(complete!)", "it's", "I'LL", "we've", "£12.50"),
    *("mint-in-box", "size_M", "&", "<b>"),
]
JAPANESE = [
    *("レゴ", "未使用", "美品", "ニンテンドーＤＳ", "任天堂", "NTR-001", "送料無料！", "【新品】"),
    *("ミレニアム・ファルコン", "ﾎﾟｹﾓﾝｶｰﾄﾞ", "㈱", "～", "限定版〈箱・説明書付〉", "第２弾"),
    *("昭和５０年", "髙島屋", "が", "は\u3099", "１／１００"),
]
STRANGE = [
    *("👍🏽", "👩\u200d👩\u200d👧", "☕\ufe0f", "🇯🇵", "★", "cafe\u0301", "Å", "A\u030a", "ﬁne"),
    *("ſ", "'ſ", "ΑΣ", "İstanbul", "ß", "\u0345", "\u200b", "\ufeff", "\x00", "\x1c", "\x85"),
    *("\xa0", "\u3000", "\t", "\ud800", "\udfff", "&amp;amp;", "&lt;", "&#12354;", "&#xD800;"),
    *("&nbsp", "â€™", "ã\x81\x82", "\x1b[31m", "“quoted”", "<start_of_text>", "<end_of_text>"),
    *("<END_OF_TEXT>", "!<end_of_text>", "</w>", "<s>", "</s>", "<pad>", "<unk>", "<mask>", "▁"),
    *("_", "'", '"', "x" * 60, "𠮷野家", "한국어", "العربية", "हिन्दी", "0", "٣", "Ⅷ", "½"),
]
LONG = ["mug " * 2500, "漆" * 10_000, "が" * 5_000 + "👍" * 5_000, "&" * 10_000, "a" * 10_000]


def thousand() -> list[str]:
    """The same ones each time."""
    chance = random.Random(16)
    texts = ["", " ", *ENGLISH, *JAPANESE, *STRANGE]
    while len(texts) < 1000:
        words = chance.choices(chance.choice([ENGLISH, JAPANESE, STRANGE, ENGLISH + JAPANESE]), k=8)
        texts.append(chance.choice(["", " ", " ", "\u3000", "\n"]).join(words))
    return [*islice(texts, 1000), *LONG]
