"""Texts to vectors, without torch."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from clip_ranker.models import store
from clip_ranker.models.text import BATCH, TextEncoder, Tokenizer, clean
from tests.conftest import ROOT

TITLES = [
    "レゴ 75192",
    "a",
    "mug " * 200,
    "LEGO 75192 Millennium Falcon",
    "",
    "未使用 NTR-001",
] * BATCH


@pytest.fixture(scope="module")
def encoder(stored: Callable[[str], str]) -> TextEncoder:
    tower = store.load(stored("tiny_text")).text
    assert tower is not None
    return TextEncoder(tower)


def test_a_vector_does_not_depend_on_the_texts_beside_it(encoder: TextEncoder) -> None:
    together = encoder(TITLES)
    assert together.shape == (len(TITLES), 32)
    assert together.dtype == np.float32
    alone = np.concatenate([encoder([title]) for title in TITLES[:6]])
    assert np.allclose(together[:6], alone, atol=1e-5)
    assert np.allclose(together[-6:], alone, atol=1e-5)
    assert (alone @ alone.T < 0.9999)[~np.eye(6, dtype=bool)].all()  # and each is its own


def test_what_is_longer_than_the_tower_reads_is_cut(encoder: TextEncoder) -> None:
    assert np.allclose(*encoder(["mug " * 200, "mug " * 300]), atol=1e-6)
    assert not np.allclose(*encoder(["mug " * 20, "mug " * 30]), atol=1e-3)


def test_tokens_end_where_the_text_does(stored: Callable[[str], str]) -> None:
    tower = store.load(stored("tiny_text")).text
    assert tower is not None
    tokenizer = Tokenizer(tower.tokenizer, tower.cleaning)
    tokens = tokenizer(["", "mug", "mug " * 200])
    assert tokens.shape == (3, tower.context_length)
    assert (tokens != tokenizer.filling).sum(axis=1).tolist() == [2, 3, 77]


@pytest.mark.parametrize(
    ("how", "cleaned"),
    [
        ("lower", "tom & jerry's_mug"),
        ("whitespace", "Tom & Jerry's_mug"),
        ("canonicalize", "tom jerrys mug"),
    ],
)
def test_texts_are_cleaned_by_openclips_names(how: str, cleaned: str) -> None:
    assert clean(" Tom\u3000 &amp;amp; \uff2aerry\u2019s_mug\n", how) == cleaned  # type: ignore[arg-type]


def test_nobody_pays_for_a_text_tower_before_the_first_text(stored: Callable[[str], str]) -> None:
    program = f"""
import sys
from clip_ranker.models import store
from clip_ranker.models.text import TextEncoder
encoder = TextEncoder(store.load({stored("tiny_text")!r}).text)
heavy = {{"ftfy", "onnxruntime", "tokenizers"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
encoder(["a"])
assert heavy <= set(sys.modules)
assert not {{"torch", "open_clip", "transformers"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
