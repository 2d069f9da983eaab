"""The measures against examples worked by hand."""

import math

import numpy as np
import pytest

from clip_ranker.evaluate import measures
from clip_ranker.evaluate.judge import Scored


def scored(scores: list[float], right: list[int], *, item: int = 0) -> Scored:
    """One photo; ``right`` are positions."""
    places = np.arange(len(scores))
    return Scored(item, ("photo",), places, np.isin(places, right), np.array(scores, np.float32))


def test_each_measure_of_one_order() -> None:
    # Right ones at ranks 2 and 4 of 5.
    values = measures.by_item([scored([0.9, 0.8, 0.7, 0.6, 0.5], [1, 3])])
    gained = 1 / math.log2(3) + 1 / math.log2(5)
    best = 1 / math.log2(2) + 1 / math.log2(3)
    assert {name: value[0] for name, value in values.items()} == pytest.approx(
        {
            "recall@1": 0,
            "recall@5": 1,
            "recall@10": 1,
            "MRR": 1 / 2,
            "mAP": (1 / 2 + 2 / 4) / 2,
            "nDCG": gained / best,
        }
    )


def test_an_item_is_the_mean_of_its_photos_and_all_items_count_the_same() -> None:
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    values = measures.by_item(
        [scored(right, [0], item=7), scored(wrong, [0], item=7), scored(right, [0], item=8)]
    )
    assert values["recall@1"] == {7: 0.5, 8: 1}
    assert measures.means(values, seed=0)["recall@1"].value == 0.75


def test_wrong_listings_win_ties() -> None:
    same = scored([0.5] * 12, [0])
    assert measures.by_item([same])["recall@10"] == {0: 0}
    assert measures.rank(same) == 12
    assert measures.curve([same], 12) == [0] * 11 + [1]


def test_auc_counts_pairs() -> None:
    # Right 0.9 and 0.4; wrong 0.5, 0.4, 0.1: of six pairs three + one and a half are in order.
    one, other = scored([0.9, 0.5, 0.1], [0]), scored([0.4, 0.4], [0], item=1)
    assert measures.auc([one, other]) == pytest.approx((3 + 1.5) / 6)
    assert measures.auc([scored([0.5, 0.6], [0, 1])]) is None


def test_an_interval_holds_the_mean_and_narrows_with_more_items() -> None:
    few, many = (measures.mean([0, 1, 1, 1] * times, seed=0) for times in (5, 100))
    for one in (few, many):
        assert one.low < one.value == 0.75 < one.high
    # The normal approximation of a share of 400: 1.96 · √(0.75 · 0.25 / 400).
    assert many.high - many.value == pytest.approx(0.0424, abs=0.006)
    assert few.high - few.low > 2 * (many.high - many.low)
    assert measures.mean([0, 1, 1, 1], seed=0) == measures.mean([0, 1, 1, 1], seed=0)


def test_one_against_another_is_the_sign_test() -> None:
    first = {"recall@1": {1: 0.0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 1, 7: 1, 8: 1, 9: 0}}
    second = {"recall@1": {1: 1.0, 2: 1, 3: 1, 4: 1, 5: 1, 6: 0, 7: 1, 9: 0}}
    values = [{**one, "MRR": one["recall@1"]} for one in (first, second)]
    result = measures.paired(*values)["recall@1"]
    assert (result.won, result.lost, result.tied) == (5, 1, 2)  # item 8 has no partner
    # Of six fair coins at most one tail, or at most one head: 2 · (1 + 6) / 64.
    assert result.p == pytest.approx(14 / 64)
    assert measures.paired(values[0], values[0])["MRR"].p == 1
