"""Thresholds of the bands ``same`` and ``similar``."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from clip_ranker.evaluate.pairs import Pairs

SURE = 0.9
"""One-sided confidence of the bounds: few pairs must not look like certainty."""
KEPT = 0.95
"""Of right listings, at least, that are not called different."""

Floats = NDArray[np.float64]


class Bands(NamedTuple):
    """Lowest scores; None where there is no such band."""

    same: float | None
    similar: float | None


def choose(pairs: Pairs, *, wanted: float, listings: int) -> Bands:
    """The lowest score from which on a listing is the same with at least that precision.

    The precision has to be reached in each data set by itself, and in all together by its lower
    bound too. ``similar`` is above all but 1 - ``KEPT`` of the right pairs.
    """
    thresholds = np.unique(pairs.scores[pairs.same])
    good = _precisions(pairs, thresholds, listings, bound=True) >= wanted
    for number in np.unique(pairs.sets):
        alone = pairs.where(pairs.sets == number)
        good &= _precisions(alone, thresholds, listings, bound=False) >= wanted
    if not good.any():
        return without_same(pairs)
    same = float(thresholds[good][0])
    _, similar = without_same(pairs)
    return Bands(same, similar if similar is not None and similar < same else None)


def without_same(pairs: Pairs) -> Bands:
    """``similar`` alone, as where no threshold is good enough for ``same``."""
    return Bands(None, float(np.quantile(pairs.scores[pairs.same], 1 - KEPT, method="lower")))


def precision(passed: Floats | float, mistaken: Floats | float, listings: int) -> Floats:
    """Share of right ones among what passes, where one in ``listings`` is right.

    Args:
        passed: share of the right ones that pass.
        mistaken: share of the wrong ones that pass.
    """
    all_passed = np.asarray(passed + (listings - 1) * mistaken)
    share: Floats = np.divide(
        passed, all_passed, out=np.zeros_like(all_passed), where=all_passed > 0
    )
    return share


def _precisions(pairs: Pairs, thresholds: Floats, listings: int, *, bound: bool) -> Floats:
    """At each threshold; with ``bound`` from Clopper and Pearson's bounds of both shares."""
    right, wrong = (np.sort(pairs.scores[one]) for one in (pairs.same, ~pairs.same))
    passed = len(right) - np.searchsorted(right, thresholds)
    mistaken = len(wrong) - np.searchsorted(wrong, thresholds)
    if not bound:
        shares = (passed / max(1, len(right)), mistaken / max(1, len(wrong)))
        # What nothing of this data set passes is not disproved by it.
        return np.where(passed + mistaken > 0, precision(*shares, listings), 1.0)
    least = stats.beta.ppf(1 - SURE, passed, len(right) - passed + 1)
    most = np.where(
        mistaken == len(wrong),
        1.0,
        stats.beta.ppf(SURE, mistaken + 1, np.maximum(1, len(wrong) - mistaken)),
    )
    return precision(least, most, listings)
