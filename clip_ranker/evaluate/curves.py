"""Two ways to fit a rising curve from score to probability."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from clip_ranker.evaluate.pairs import Pairs

KNOTS = 65
"""Of a logistic curve."""

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]
"""Knots: scores, strictly ascending, and probabilities."""


def _isotonic(pairs: Pairs, listings: int) -> Curve:
    """Rising steps; never certain, as the first pair beyond may be of the other kind."""
    certain = 1 / (pairs.right + 2)
    fitted = IsotonicRegression(y_min=certain / listings, y_max=1 - certain)
    fitted.fit(pairs.scores, pairs.same, sample_weight=pairs.weights(listings))
    return fitted.X_thresholds_, fitted.y_thresholds_


def _logistic(pairs: Pairs, listings: int) -> Curve:
    """Platt's scaling."""
    middle, spread = pairs.scores.mean(), pairs.scores.std() or 1.0
    fitted = LogisticRegression()
    scaled = ((pairs.scores - middle) / spread)[:, None]
    fitted.fit(scaled, pairs.same, sample_weight=pairs.weights(listings))
    knots = np.unique(np.linspace(pairs.scores.min(), pairs.scores.max(), KNOTS))
    probabilities = fitted.predict_proba(((knots - middle) / spread)[:, None])[:, 1]
    return knots, np.maximum.accumulate(probabilities)


CURVES: dict[str, Callable[[Pairs, int], Curve]] = {"isotonic": _isotonic, "logistic": _logistic}
