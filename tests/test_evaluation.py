"""``docs/evaluation.md`` is written from figures: here from some that were made by hand."""

from typing import Any

import numpy as np
import pytest

from bench import bands, evaluation
from clip_ranker.evaluate.data import Dataset
from clip_ranker.evaluate.judge import Scored


def row(model: str, dataset: str, value: float) -> dict[str, Any]:
    measure = {"value": value, "low": value - 0.1, "high": value + 0.1}
    return {"model": model, "dataset": dataset, "measures": {evaluation.MEASURE: measure}}


def test_a_line_a_model_and_a_column_a_data_set_where_one_was_not_judged() -> None:
    rows = [row("old", "x/one", 0.5), row("old", "x/two", 0.25), row("new", "x/one", 0.75)]
    assert evaluation.table(rows, "model").splitlines() == [
        "| model | one | two |",
        "| --- | --- | --- |",
        "| `old` | 0.500 (0.40-0.60) | 0.250 (0.15-0.35) |",
        "| `new` | 0.750 (0.65-0.85) |  |",
    ]


def test_what_is_written_takes_the_place_of_what_was_between_its_marks_alone() -> None:
    text = "a\n<!-- one -->\nold\n<!-- /one -->\nb\n<!-- one-more -->\nkept\n<!-- /one-more -->\n"
    assert evaluation.between(text, "one", r"n\1w") == text.replace("old", r"n\1w")


def fitted(same: float | None) -> dict[str, Any]:
    found = {
        "calibration": {"same": same, "similar": 0.4},
        "method": "isotonic",
        "precision": None if same is None else 0.96,
        "same": 0.0 if same is None else 0.5,
        "different": 0.05,
        "said": "there is no band same" if same is None else f"same from {same}",
    }
    part = {"name": "all", "data": ["one", "two"], "right": 10, "wrong": 90, "calibrated": found}
    return part | {"twins_same": 3, "twins": 8}


@pytest.mark.parametrize(
    ("same", "cells"),
    [
        (0.8, "0.800 | 0.960 | 0.500 | 3 of 8 | 0.400 | 0.050"),
        (None, "no such band |  |  |  | 0.400 | 0.050"),
    ],
)
def test_bands_tell_where_each_begins_and_which_is_not_there(
    same: float | None, cells: str
) -> None:
    heads, _, line, *more = evaluation.bands([fitted(same)]).splitlines()
    assert line == f"| all: `one`, `two` | 10, 90 | isotonic | {cells} |"
    assert heads.count("|") == line.count("|")
    assert f"- all: {fitted(same)['calibrated']['said']}." in more
    assert more[-1].endswith("(reliability.svg)")


def test_twins_are_both_same_where_the_right_listing_and_one_in_another_colour_are() -> None:
    names = ("milk", "yellow_milk", "milk-120", "basket")  # the last is another shape
    listings = [f"items/{name}/listing1.jpg" for name in names]
    dataset = Dataset("other-side", [], listings, range(4))
    scores = [np.float32([0.9, 0.8, 0.3, 0.9]), np.float32([0.5, 0.9, 0.9, 0.9])]
    relevant = np.array([True, False, False, False])
    scored = [Scored(0, ("query1",), np.arange(4), relevant, one) for one in scores]
    assert bands.both_same(dataset, scored, 0.7) == (1, 4)
    assert bands.both_same(dataset, scored, 0.2) == (4, 4)
    assert bands.both_same(dataset, scored, None) == (0, 4)
