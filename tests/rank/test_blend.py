"""One score out of what pictures and texts say: what must hold of every list."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.evaluate.titles import MOVES
from clip_ranker.rank.blend import Blended, blend

cosines = st.floats(-1, 1) | st.sampled_from([0.0, 0.25, 0.5])
listed = st.lists(st.tuples(cosines, st.none() | cosines), max_size=30)
weights = st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0])
every_way = pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)


def blended(pairs: list[tuple[float, float | None]], weight: float, **more: Any) -> list[Blended]:
    """Of listings, each a picture's cosine and a text's, where it has one."""
    pictures = {n: picture for n, (picture, _) in enumerate(pairs)}
    texts = {n: text for n, (_, text) in enumerate(pairs) if text is not None}
    found = blend(pictures, [texts], weight, **more)
    return [found[n] for n in range(len(pairs))]


@every_way
@given(pairs=listed)
def test_without_weight_the_scores_are_those_of_the_pictures(
    move: Any, pairs: list[tuple[float, float | None]]
) -> None:
    for one, (picture, _) in zip(blended(pairs, 0, moved=move), pairs, strict=True):
        assert (one.score, one.picture) == (picture, picture)


@every_way
@given(pairs=listed)
def test_with_the_whole_weight_the_order_of_titles_is_that_of_their_texts(
    move: Any, pairs: list[tuple[float, float | None]]
) -> None:
    scores = [
        (text, one.score)
        for one, (_, text) in zip(blended(pairs, 1, moved=move), pairs, strict=True)
        if text is not None and one.text is not None
    ]
    scores.sort(key=lambda pair: pair[0])
    for (text, score), (next_text, next_score) in pairwise(scores):
        assert next_score >= score - 1e-9
        if text == next_text:
            assert score == next_score


@every_way
@given(pairs=listed, weight=weights, picture=cosines, at=st.integers(0, 30))
def test_a_listing_without_a_title_changes_no_other_score(
    move: Any, pairs: list[tuple[float, float | None]], weight: float, picture: float, at: int
) -> None:
    at = min(at, len(pairs))
    more = [*pairs[:at], (picture, None), *pairs[at:]]
    after = blended(more, weight, moved=move)
    assert after.pop(at) == Blended(picture, picture, None)
    assert after == blended(pairs, weight, moved=move)


@every_way
@given(pairs=listed, weight=weights, seed=st.integers(0, 99))
def test_scores_do_not_depend_on_the_order_of_the_listings(
    move: Any, pairs: list[tuple[float, float | None]], weight: float, seed: int
) -> None:
    order = list(range(len(pairs)))
    random.Random(seed).shuffle(order)
    mixed = blended([pairs[n] for n in order], weight, moved=move)
    plain = blended(pairs, weight, moved=move)
    assert mixed == [plain[n] for n in order]


@every_way
@given(pairs=listed, weight=weights)
def test_a_score_is_the_weighted_mean_of_its_parts(
    move: Any, pairs: list[tuple[float, float | None]], weight: float
) -> None:
    for one in blended(pairs, weight, moved=move):
        text = one.picture if one.text is None else one.text
        assert one.score == pytest.approx((1 - weight) * one.picture + weight * text)


def test_texts_get_the_mean_and_the_spread_of_the_pictures() -> None:
    pairs = [(0.5, 0.2), (0.7, 0.25), (0.9, 0.3)]
    assert [one.text for one in blended(pairs, 0.5)] == pytest.approx([0.5, 0.7, 0.9])
    turned = [(0.5, 0.3), (0.7, 0.25), (0.9, 0.2)]
    assert [one.score for one in blended(turned, 0.5)] == pytest.approx([0.7] * 3)


def test_where_pictures_are_all_the_same_the_titles_decide() -> None:
    scores = [one.score for one in blended([(0.9, 0.1), (0.9, 0.3), (0.9, 0.2)], 0.01)]
    assert sorted(range(3), key=lambda n: -scores[n]) == [1, 2, 0]


@pytest.mark.parametrize(
    "pairs",
    [
        [(0.2, 0.5), (0.9, None)],
        [(0.2, 0.5), (0.9, 0.5)],
        [(0.2, 0.5 + 1e-8), (0.9, 0.5)],  # one text in two batches
    ],
)
def test_a_lone_title_or_equal_ones_tell_nothing(pairs: list[tuple[float, float | None]]) -> None:
    assert [one.score for one in blended(pairs, 1)] == [0.2, 0.9]
    assert [one.text for one in blended(pairs, 1)] == [None, None]


def test_each_kind_of_likeness_counts_alike_whatever_its_scale() -> None:
    pictures = dict.fromkeys(range(3), 0.5) | {0: 0.4, 2: 0.6}
    narrow, wide = {0: 0.21, 1: 0.22, 2: 0.23}, {0: 0.9, 1: 0.5, 2: 0.1}
    assert [one.text for one in blend(pictures, [narrow, wide], 1).values()] == pytest.approx(
        [0.5] * 3
    )


def test_what_has_no_picture_has_no_score_and_no_say() -> None:
    texts = {0: 0.1, 1: 0.3, 2: 0.9}
    assert blend({0: 0.5, 1: 0.6}, [texts], 0.5) == blend({0: 0.5, 1: 0.6}, [{0: 0.1, 1: 0.3}], 0.5)
