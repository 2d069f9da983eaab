"""Tokens without torch are OpenCLIP's own."""

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing import tokeniser
from clip_ranker.models.text import Tokenizer
from tests.importing.small_text_model import tokeniser_folder
from tests.importing.texts import thousand


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokenisers")


def written(theirs: Any, file: Path) -> Tokenizer:
    file.write_text(tokeniser.of(theirs))
    return Tokenizer(file, tokeniser.cleaning(theirs))


@pytest.fixture(scope="module")
def clip(folder: Path) -> tuple[Tokenizer, Any]:
    theirs = open_clip.get_tokenizer("ViT-B-32")
    return written(theirs, folder / "clip.json"), theirs


def differing(ours: Tokenizer, theirs: Any, texts: list[str]) -> list[str]:
    """Texts that have other tokens."""
    pairs = zip(texts, ours(texts), theirs(texts).numpy(), strict=True)
    return [text[:60] for text, own, wanted in pairs if not np.array_equal(own, wanted)]


def test_those_of_clip_are_the_same_of_a_thousand_texts(clip: tuple[Tokenizer, Any]) -> None:
    assert differing(*clip, thousand()) == []


@given(st.text(st.characters(exclude_categories=["Cn"])))
def test_those_of_clip_are_the_same_of_any_text(clip: tuple[Tokenizer, Any], text: str) -> None:
    assert differing(*clip, [text]) == []


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("XLMRobertaTokenizer", {}),
        ("XLMRobertaTokenizer", {"clean": "canonicalize", "context_length": 64}),
        ("T5Tokenizer", {"clean": "canonicalize", "context_length": 64}),
    ],
    ids=["XLM-R's", "cleaned as SigLIP's", "SigLIP's"],
)
def test_those_of_a_unigram_model_are_the_same_of_a_thousand_texts(
    folder: Path, kind: str, options: dict[str, Any]
) -> None:
    theirs = open_clip.tokenizer.HFTokenizer(str(tokeniser_folder(folder / kind, kind)), **options)
    ours = written(theirs, folder / "unigram.json")
    assert differing(ours, theirs, thousand()) == []
    assert len(np.unique(ours(thousand()))) > 50  # not all unknown


def test_a_tokeniser_that_does_more_than_these_is_refused(folder: Path) -> None:
    name = str(tokeniser_folder(folder / "clips", "XLMRobertaTokenizer"))
    for options in ({"tokenizer_mode": "clips"}, {"strip_sep_token": True}):
        theirs = open_clip.tokenizer.HFTokenizer(name, **options)
        with pytest.raises(ImportRefusedError, match="--text: OpenCLIP"):
            tokeniser.check(written(theirs, folder / "more.json"), theirs)
