"""From scores to the probability of the same item, judged on what it was not fitted on.

A data set has as many wrong listings as it has items, a search about fifty listings of which one is
right: wrong pairs are weighted so that one in ``listings`` is right, in fitting and in judging.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import KFold

from clip_ranker.evaluate import bands
from clip_ranker.evaluate.curves import CURVES
from clip_ranker.evaluate.data import DataError
from clip_ranker.evaluate.pairs import Pairs, joined
from clip_ranker.models.calibration import Calibration

FOLDS = 5
LEAST_ITEMS = 2 * FOLDS
"""In each fold one must have another to be mistaken for."""
BINS = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Pairs of about one probability, none of which it was fitted on.

    Attributes:
        predicted, observed: mean probability, and the share that is right.
        right, wrong: how many there are.
    """

    predicted: float
    observed: float
    right: int
    wrong: int


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and how it does on items that it was not fitted on.

    Attributes:
        method: ``isotonic`` or ``logistic``, the one with the smaller loss.
        log_loss: of each method.
        brier: of the chosen one.
        precision: of the band ``same``; None where nothing is in it, or there is none.
        same: share of right listings that are in the band ``same``.
        different: share of right listings that are called ``different``.
        reliability: of the chosen one.
        said: about the band ``same``, for people.
    """

    model: str
    calibration: Calibration
    method: str
    log_loss: dict[str, float]
    brier: float
    precision: float | None
    same: float
    different: float
    reliability: list[Bin]
    said: str


def fit(
    pairs: Pairs, *, model: str, data: str, precision: float, listings: int, seed: int
) -> Calibrated:
    """Fits, and judges by cross-validation over items.

    Args:
        pairs: right and wrong ones.
        model, data: names of the model and of the data.
        precision: wanted of the band ``same``.
        listings: of a search; one of them is right.
        seed: of the split.

    Raises:
        DataError: there is too little.
    """
    splits = _splits(pairs, data, seed)
    held_out = joined([held for _, held in splits])
    weights = held_out.weights(listings)
    predicted = {
        name: np.concatenate(
            [np.interp(held.scores, *curve(known, listings)) for known, held in splits]
        )
        for name, curve in CURVES.items()
    }
    losses = {
        name: float(log_loss(held_out.same, one, sample_weight=weights))
        for name, one in predicted.items()
    }
    method = min(losses, key=losses.__getitem__)
    choose = partial(bands.choose, wanted=precision, listings=listings)
    chosen = choose(pairs)
    reached, same, different = _judge([(choose(known), held) for known, held in splits], listings)
    if chosen.same is not None and reached is not None and reached >= precision:
        said = f"same from a score of {chosen.same:.3f} on"
    else:
        said = _why_none(chosen.same, reached, precision)
        # Judged anew, as what is stored: ``same`` may have hidden ``similar``.
        chosen = bands.without_same(pairs)
        without = [(bands.without_same(known), held) for known, held in splits]
        reached, same, different = _judge(without, listings)
    scores, probabilities = CURVES[method](pairs, listings)
    return Calibrated(
        model=model,
        calibration=Calibration(
            scores=tuple(scores.tolist()),
            probabilities=tuple(probabilities.tolist()),
            same=chosen.same,
            similar=chosen.similar,
            precision=precision,
            fitted_on=f"{data}: {pairs.right} right and {pairs.wrong} wrong pairs, one listing in "
            f"{listings} the same, {method}",
        ),
        method=method,
        log_loss=losses,
        brier=float(brier_score_loss(held_out.same, predicted[method], sample_weight=weights)),
        precision=reached,
        same=same,
        different=different,
        reliability=_reliability(held_out.same, predicted[method], weights),
        said=said,
    )


def _why_none(same: float | None, reached: float | None, precision: float) -> str:
    if same is None:
        return f"no score reaches a precision of {precision:g}: there is no band same"
    measured = "nothing is called so" if reached is None else f"{reached:.3f}"
    return (
        f"a precision of {precision:g} from {same:.3f} on does not hold on items that it was not "
        f"chosen by ({measured}): there is no band same"
    )


def _splits(pairs: Pairs, data: str, seed: int) -> list[tuple[Pairs, Pairs]]:
    """What a fold is fitted on and what it is judged on: no item is in both."""
    items = np.unique(pairs.photo_items)
    if len(items) < LEAST_ITEMS:
        raise DataError(f"{data}: {len(items)} items, calibrating needs at least {LEAST_ITEMS}")
    owners = np.unique(np.concatenate([pairs.photo_items, pairs.listing_items]))
    folds = KFold(FOLDS, shuffle=True, random_state=seed).split(owners)
    splits = [(pairs.among(owners[known]), pairs.among(owners[held])) for known, held in folds]
    whole = [joined([held for _, held in splits]), *(known for known, _ in splits)]
    if not all(one.right and one.wrong for one in whole):
        raise DataError(f"{data}: too few right or wrong pairs to calibrate")
    return splits


def _judge(
    folds: list[tuple[bands.Bands, Pairs]], listings: int
) -> tuple[float | None, float, float]:
    """Of the held-out pairs: precision of ``same``, and shares of right ones by their band."""
    passed = mistaken = different = right = wrong = 0
    for chosen, held in folds:
        same = held.scores >= (np.inf if chosen.same is None else chosen.same)
        lowest = [one for one in chosen if one is not None]
        passed += int((same & held.same).sum())
        mistaken += int((same & ~held.same).sum())
        different += int((held.scores[held.same] < min(lowest)).sum())
        right, wrong = right + held.right, wrong + held.wrong
    share = passed / right
    reached = float(bands.precision(share, mistaken / wrong, listings))
    return reached if passed + mistaken else None, share, different / right


def _reliability(same: NDArray[np.bool_], predicted: Floats, weights: Floats) -> list[Bin]:
    places = np.minimum((predicted * BINS).astype(int), BINS - 1)
    found = []
    for place in np.unique(places):
        here = places == place
        found.append(
            Bin(
                predicted=float(np.average(predicted[here], weights=weights[here])),
                observed=float(np.average(same[here], weights=weights[here])),
                right=int(same[here].sum()),
                wrong=int((~same[here]).sum()),
            )
        )
    return found
