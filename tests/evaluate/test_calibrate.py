"""Calibration on data of which the answer is known."""

import re

import numpy as np
import pytest

from clip_ranker.evaluate import bands
from clip_ranker.evaluate.calibrate import Calibrated, fit
from clip_ranker.evaluate.data import DataError
from clip_ranker.evaluate.pairs import Pairs

LISTINGS = 20


def drawn(items: int, *, apart: float, seed: int = 0, twins: bool = False) -> Pairs:
    """One photo and listing an item; scores of two normals of width 0.1, their means apart.

    A twin is a wrong listing that scores as the right one does.
    """
    random = np.random.default_rng(seed)
    photos, listings = (one.ravel() for one in np.mgrid[:items, :items])
    same = photos == listings
    scores = random.normal(0, 0.1, items**2) + apart * same
    if twins:
        scores[photos == (listings ^ 1)] += apart
    sets = np.zeros(items**2, int)
    return Pairs(np.clip(scores, -1, 1), same, photos, listings, sets)


def fitted(pairs: Pairs, *, precision: float = 0.95) -> Calibrated:
    return fit(pairs, model="m", data="d", precision=precision, listings=LISTINGS, seed=0)


def true_probability(score: float, apart: float) -> float:
    """By Bayes: two normals of width 0.1, one pair in ``LISTINGS`` right."""
    odds = np.exp((score - apart / 2) * apart / 0.1**2) / (LISTINGS - 1)
    return float(odds / (1 + odds))


def test_the_probability_is_that_of_bayes() -> None:
    found = fitted(drawn(120, apart=0.3))
    for score in (0.0, 0.1, 0.2, 0.25, 0.3, 0.4):
        wanted = true_probability(score, 0.3)
        assert found.calibration.probability(score) == pytest.approx(wanted, abs=0.08)
    # Of two normals of one width the log odds are a straight line: the logistic curve is the truth.
    assert found.method == "logistic"
    assert found.log_loss["logistic"] < found.log_loss["isotonic"]


def test_steps_are_chosen_where_no_logistic_curve_fits() -> None:
    pairs = drawn(120, apart=0.3)
    far = pairs.scores > 0.2  # right or wrong by chance, however high: the true curve has a plateau
    random = np.random.default_rng(1)
    scores = np.where(far, random.uniform(0.2, 1, len(far)), pairs.scores)
    found = fitted(Pairs(scores, pairs.same, pairs.photo_items, pairs.listing_items, pairs.sets))
    assert found.method == "isotonic"
    assert list(found.calibration.probabilities) == sorted(found.calibration.probabilities)


def test_what_is_called_same_reaches_the_precision_on_data_never_seen() -> None:
    found = fitted(drawn(100, apart=0.5)).calibration
    new = drawn(200, apart=0.5, seed=1)
    assert found.same is not None
    same = np.array([found.match(score) == "same" for score in new.scores])
    wrong = (LISTINGS - 1) * same[~new.same].mean()
    assert same[new.same].mean() / (same[new.same].mean() + wrong) >= 0.95
    assert same[new.same].mean() > 0.5
    different = np.array([found.match(score) == "different" for score in new.scores[new.same]])
    assert different.mean() < 0.1


def test_it_is_judged_on_items_that_it_was_not_fitted_on() -> None:
    found = fitted(drawn(100, apart=0.5))
    assert found.precision is not None
    assert found.precision >= 0.95
    assert sum(one.right for one in found.reliability) == 100
    # Within five folds of twenty items.
    assert sum(one.wrong for one in found.reliability) == 5 * 20 * 19
    sure = [one for one in found.reliability if one.right > 20]
    assert all(one.observed == pytest.approx(one.predicted, abs=0.1) for one in sure)


def test_scores_without_meaning_give_no_band_and_the_base_rate() -> None:
    found = fitted(drawn(100, apart=0.0))
    assert found.calibration.same is None
    assert found.said == "no score reaches a precision of 0.95: there is no band same"
    assert found.calibration.probability(0.0) == pytest.approx(1 / LISTINGS, abs=0.03)
    assert found.same == 0
    assert found.precision is None


def test_two_twins_are_not_both_same() -> None:
    twins = drawn(100, apart=0.5, twins=True)
    assert fitted(twins).calibration.same is None
    assert fitted(twins, precision=0.2).calibration.same is not None


def test_one_data_set_where_it_fails_is_enough() -> None:
    good, twins = drawn(100, apart=0.5), drawn(20, apart=0.5, twins=True)
    both = Pairs(
        np.concatenate([good.scores, twins.scores]),
        np.concatenate([good.same, twins.same]),
        np.concatenate([good.photo_items, twins.photo_items + 100]),
        np.concatenate([good.listing_items, twins.listing_items + 100]),
        np.concatenate([good.sets, twins.sets + 1]),
    )
    assert fitted(good).calibration.same is not None
    assert fitted(both).calibration.same is None


def test_few_pairs_are_no_certainty() -> None:
    parted = drawn(12, apart=0.9)
    assert parted.scores[parted.same].min() > parted.scores[~parted.same].max()
    assert bands.choose(parted, wanted=0.95, listings=LISTINGS).same is None


@pytest.mark.parametrize("items", [48, 58])
def test_similar_stays_when_same_is_proved_by_all_items_and_by_no_fold(items: int) -> None:
    pairs = drawn(items, apart=0.9)
    assert bands.choose(pairs, wanted=0.95, listings=50).same is not None
    found = fit(pairs, model="m", data="d", precision=0.95, listings=50, seed=0)
    assert found.calibration.same is None
    matched = [found.calibration.match(score) for score in pairs.scores]
    assert set(matched) == {"similar", "different"}
    right = [one for one, same in zip(matched, pairs.same, strict=True) if same]
    assert right.count("similar") >= 0.95 * items


def test_a_same_that_held_out_items_disprove_is_in_no_figure() -> None:
    found = fitted(drawn(100, apart=0.3, seed=1))
    assert re.search(r"from 0\.\d+ on does not hold on items .* \(0\.9\d+\)", found.said)
    assert found.calibration.same is None
    assert found.calibration.similar is not None
    assert (found.same, found.precision) == (0, None)


def test_precision_is_that_of_a_search() -> None:
    # Half of the right ones pass, and one in a hundred of nineteen wrong ones.
    assert bands.precision(0.5, 0.01, 20) == pytest.approx(0.5 / (0.5 + 0.19))
    assert bands.precision(0.0, 0.0, 20) == 0


def test_too_little_is_told() -> None:
    with pytest.raises(DataError, match="9 items, calibrating needs at least 10"):
        fitted(drawn(9, apart=0.5))
    pairs = drawn(20, apart=0.5)
    with pytest.raises(DataError, match="too few right or wrong pairs"):
        fitted(pairs.where(pairs.same))
