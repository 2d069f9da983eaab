"""OpenCLIP's tokenisers as files of the library ``tokenizers``, which needs no torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from clip_ranker.errors import ImportRefusedError
from clip_ranker.models.text import CLEANINGS, Cleaning, Tokens

WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}\u0345]+"
"""What CLIP's tokeniser makes one word of, besides its marks.

U+0345, whose capital is a letter, is in no class where OpenCLIP looks, and lost. Characters that
are younger than Unicode 16 may be in another class here.
"""
WORD_END = "</w>"
TEXTS = (
    "LEGO 75192 Millennium Falcon, complete",
    "レゴ 75192 ミレニアム・ファルコン 箱あり",
    "未使用 ニンテンドー NTR-001 DS Lite 本体",
    "Ｎｉｋｏｎ　Ｆ３　ﾎﾞﾃﾞｨ　美品",
    "か\u3099んた\u3099む cafe\u0301",
    "Tom &amp; Jerry's mug, it's LIKE NEW!!",
    "👍🏽 👩‍👩‍👧 ☕️ ★送料無料★",
    "<end_of_text> a </s> b _c_ !<start_of_text>",
    "",
    "mug " * 300,
    "漆" * 300,
)
"""Held against OpenCLIP at every import: short and long, in the scripts that listings have."""


def of(theirs: Any) -> str:
    """A tokeniser of OpenCLIP's, with its way to cut and to fill up, in JSON.

    Raises:
        ImportRefusedError: it is of a kind that is not known.
    """
    if isinstance(theirs, open_clip.SimpleTokenizer):
        ours, filling = _bpe(theirs), (0, "!")
    elif backend := getattr(theirs.tokenizer, "backend_tokenizer", None):
        ours = Tokenizer.from_str(backend.to_str())
        filling = theirs.tokenizer.pad_token_id, theirs.tokenizer.pad_token
    else:
        raise ImportRefusedError(f"--text: {type(theirs).__name__} is no kind of tokeniser known")
    ours.enable_truncation(theirs.context_length)
    ours.enable_padding(length=theirs.context_length, pad_id=filling[0], pad_token=filling[1])
    text: str = ours.to_str()
    return text


def cleaning(theirs: Any) -> Cleaning:
    """What it does to a text first, by OpenCLIP's name for it."""
    for name in CLEANINGS:
        if theirs.clean_fn is open_clip.tokenizer.get_clean_fn(name):
            return name
    raise ImportRefusedError("--text: OpenCLIP cleans texts for this model in a way not known")


def check(ours: Callable[[list[str]], Tokens], theirs: Any) -> None:
    """Compares tokens; raises ImportRefusedError where they differ."""
    for text in TEXTS:
        if not np.array_equal(ours([text]), theirs([text]).numpy()):
            raise ImportRefusedError(
                f"--text: OpenCLIP makes other tokens of {text[:40]!r}; nothing was stored"
            )


def _bpe(theirs: open_clip.SimpleTokenizer) -> Tokenizer:
    """CLIP's byte pair encoding.

    A mark in a text, such as "<end_of_text>", is one token where OpenCLIP's pattern finds it whole,
    but not in "!<end_of_text>". So it is no added token, which would be found there too, but a word
    whose parts are merged last of all; no other word has parts like these.
    """
    begin, end = theirs.sot_token_id, theirs.eot_token_id
    marks = {theirs.decoder[number]: number for number in theirs.all_special_ids}
    vocabulary = {token: n for token, n in theirs.encoder.items() if token not in marks}
    merges = list(theirs.bpe_ranks)
    plain = models.BPE(vocabulary, merges, end_of_word_suffix=WORD_END)
    for mark, number in marks.items():
        whole, *parts = [token.value for token in plain.tokenize(mark)]
        for part in parts:
            merges.append((whole, part))
            whole += part
            vocabulary[whole] = len(theirs.encoder) + len(merges)  # never seen in a text
        vocabulary[whole] = number
    ours = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix=WORD_END))
    words = Regex("|".join([*marks, WORDS]))
    ours.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    ours.post_processor = processors.TemplateProcessing(
        single="<b> $A <e>", special_tokens=[("<b>", begin), ("<e>", end)]
    )
    return ours
