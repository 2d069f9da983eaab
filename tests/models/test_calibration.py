"""From a score to a probability and a band, and what a file of it may hold."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.errors import ModelNotFoundError
from clip_ranker.models import calibration, store
from clip_ranker.models.calibration import FILE, Calibration

SCORE = st.floats(-1, 1)
BY_HAND = Calibration((0.2, 0.6, 0.8), (0.0, 0.5, 0.9), 0.7, 0.5, 0.95, "by hand")


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    """Anything that may be fitted."""
    scores = sorted(draw(st.sets(SCORE, min_size=1, max_size=8)))
    some = st.lists(st.floats(0, 1), min_size=len(scores), max_size=len(scores))
    similar, same = sorted((draw(SCORE), draw(SCORE)))
    return Calibration(
        tuple(scores),
        tuple(sorted(draw(some))),
        draw(st.sampled_from((same, None))),
        draw(st.sampled_from((similar, None))),
        draw(st.floats(0.01, 1)),
        draw(st.text()),
    )


@pytest.mark.parametrize(
    ("score", "probability", "match"),
    [
        (-1.0, 0.0, "different"),
        (0.2, 0.0, "different"),
        (0.4, 0.25, "different"),
        (0.5, 0.375, "similar"),
        (0.6, 0.5, "similar"),
        (0.7, 0.7, "same"),
        (0.8, 0.9, "same"),
        (1.0, 0.9, "same"),
    ],
)
def test_by_hand(score: float, probability: float, match: str) -> None:
    assert BY_HAND.probability(score) == pytest.approx(probability)
    assert BY_HAND.match(score) == match


def test_where_no_score_reaches_the_precision_nothing_is_the_same() -> None:
    assert dataclasses.replace(BY_HAND, same=None).match(1.0) == "similar"
    assert dataclasses.replace(BY_HAND, same=None, similar=None).match(1.0) == "different"


@given(calibrations(), st.lists(SCORE, min_size=2))
def test_a_better_score_is_never_less_probable_nor_in_a_lower_band(
    fitted: Calibration, scores: list[float]
) -> None:
    bands = ["different", "similar", "same"]
    for low, high in pairwise(sorted([*scores, *fitted.scores])):
        assert fitted.probability(low) <= fitted.probability(high)
        assert bands.index(fitted.match(low)) <= bands.index(fitted.match(high))


@given(calibrations(), SCORE)
def test_a_probability_lies_between_those_of_the_knots_around_it(
    fitted: Calibration, score: float
) -> None:
    knots = list(zip(fitted.scores, fitted.probabilities, strict=True))
    below = [probability for knot, probability in knots if knot <= score]
    above = [probability for knot, probability in knots if knot >= score]
    bounds = below[-1:] + above[:1]
    assert min(bounds) <= fitted.probability(score) <= max(bounds)
    assert [fitted.probability(knot) for knot in fitted.scores] == list(fitted.probabilities)


@given(fitted=calibrations(), before=calibrations())
def test_what_is_saved_is_loaded(
    fitted: Calibration, before: Calibration, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("model")
    before.save(folder)
    fitted.save(folder)
    assert calibration.load(folder) == fitted
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_a_model_without_one_has_none(tmp_path: Path) -> None:
    assert calibration.load(tmp_path) is None


GOOD = dataclasses.asdict(BY_HAND)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Invalid JSON"),
        (json.dumps(GOOD)[:-20], "Invalid JSON"),
        ("[]", "object"),
        (json.dumps({**GOOD, "scores": "0.5"}), "array"),
        (json.dumps({**GOOD, "scores": []}), "as many probabilities as scores"),
        (json.dumps({**GOOD, "scores": [0.1, 0.2]}), "as many probabilities as scores"),
        (json.dumps({**GOOD, "scores": [0.2, 0.2, 0.3]}), "ascend"),
        (json.dumps({**GOOD, "scores": [0.2, float("nan"), 0.3]}), "from -1 to 1"),
        (json.dumps({**GOOD, "same": 70}), "from -1 to 1"),
        (json.dumps({**GOOD, "same": "0.7"}), "number"),
        (json.dumps({**GOOD, "same": 0.4}), "same must not be below similar"),
        (json.dumps({**GOOD, "probabilities": [0, 0.5, 1.5]}), "from 0 to 1"),
        (json.dumps({**GOOD, "probabilities": [0, 0.5, 0.4]}), "must not fall"),
        (json.dumps({**GOOD, "precision": 0}), "precision"),
        (json.dumps({key: GOOD[key] for key in GOOD if key != "same"}), "Field required"),
    ],
)
def test_a_broken_file_is_named_with_what_mends_it(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ModelNotFoundError) as refused:
        calibration.load(tmp_path)
    said = str(refused.value)
    assert says in said
    assert str(tmp_path / FILE) in said
    assert "delete the file, then fit it again with `clip-ranker evaluate" in said


def test_a_stored_model_comes_with_its_calibration(
    stored: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = store.load(stored("tiny"))
    assert model.calibration is None
    copied = shutil.copytree(model.graph.parent, tmp_path / "model")
    BY_HAND.save(copied)
    newest = store.bentoml.models.get("tiny")
    monkeypatch.setattr(store.bentoml.models, "get", lambda _: Elsewhere(newest, copied))
    assert store.load("tiny").calibration == BY_HAND
    (copied / FILE).write_text("{")
    with pytest.raises(ModelNotFoundError, match="fit it again"):
        store.load("tiny")


class Elsewhere:
    """A stored model in another folder."""

    def __init__(self, model: object, folder: Path) -> None:
        self._model = model
        self.path = str(folder)

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def path_of(self, name: str) -> str:
        """Path of a file of it."""
        return str(Path(self.path) / name)
