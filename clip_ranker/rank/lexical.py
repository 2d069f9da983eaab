"""Likeness of words to titles by their spelling: TF-IDF over character n-grams. Pure functions.

No language is known: it finds names and numbers of models and sets, and no other word that means
the same.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping

LENGTHS = (1, 2)
"""Of n-grams, one only of what is not ASCII: a kanji alone is a word, a letter is not."""
LEAST = 0.7
"""Of the n-grams of the words that a title must hold: what has less in common with them, such as
one in another language, has it by chance."""
SATURATION, LENGTH = 1.2, 0.75
"""k1 and b of Okapi BM25, as usual: one n-gram again and again, and a long title, count less."""
LONGEST = 300
"""Characters that are compared: titles of auctions have under 130. It bounds the work."""
TO_HIRAGANA = {code: code - 0x60 for code in range(ord("ァ"), ord("ヶ") + 1)}
LONG_VOWEL = "ー"
"""Left out at will, and typed for a hyphen."""


def spelt_alike(words: str, titles: Mapping[int, str]) -> dict[int, float]:
    """Okapi BM25 of each title for the words, from 0; what few of these titles hold counts more.

    Args:
        words: what is looked for.
        titles: by position.
    """
    wanted, found = sorted(_grams(words)), {n: _grams(title) for n, title in titles.items()}
    rarity = {gram: _rarity(gram, found.values()) for gram in wanted}
    mean_length = sum(grams.total() for grams in found.values()) / max(1, len(found))
    alike = {}
    for n, grams in found.items():
        held = [gram for gram in wanted if gram in grams]
        enough = len(held) >= LEAST * len(wanted)
        length = 1 - LENGTH + LENGTH * grams.total() / (mean_length or 1)
        alike[n] = enough * sum(
            rarity[gram] * grams[gram] * (SATURATION + 1) / (grams[gram] + SATURATION * length)
            for gram in held
        )
    return alike


def folded(text: str) -> str:
    """Letters and digits alone, of one width, case and kana: ``NTR-001`` is ``ntr001``."""
    text = unicodedata.normalize("NFKC", text[:LONGEST]).casefold().translate(TO_HIRAGANA)
    return "".join(one for one in text if one.isalnum() and one != LONG_VOWEL)


def _grams(text: str) -> Counter[str]:
    text = folded(text)
    grams = (text[at : at + length] for length in LENGTHS for at in range(len(text) + 1 - length))
    return Counter(gram for gram in grams if len(gram) > 1 or not gram.isascii())


def _rarity(gram: str, titles: Collection[Counter[str]]) -> float:
    holding = sum(gram in grams for grams in titles)
    return math.log(1 + (len(titles) - holding + 0.5) / (holding + 0.5))
