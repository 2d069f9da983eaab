"""How good an order is, and how sure that is. The measures are those of trec_eval (ir-measures)."""

from collections.abc import Sequence
from dataclasses import dataclass

import ir_measures
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from clip_ranker.evaluate.judge import Scored

MEASURES = {
    "recall@1": ir_measures.Success @ 1,
    "recall@5": ir_measures.Success @ 5,
    "recall@10": ir_measures.Success @ 10,
    "MRR": ir_measures.RR,
    "mAP": ir_measures.AP,
    "nDCG": ir_measures.nDCG,
}
"""Recall at k as image retrieval has it: of how many photos a right listing is in the first k."""
PAIRED = ("recall@1", "MRR")
RESAMPLES = 2000
CONFIDENCE = 0.95

Values = dict[str, dict[int, float]]
"""Of each measure the mean over each item's photos, by item."""


@dataclass(frozen=True)
class Measure:
    """A mean over items with its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """One against another on the same items.

    Attributes:
        won, lost: items at which the second is better, or worse, than the first.
        tied: the rest.
        p: two-sided, of the sign test over items that are not tied; of recall at 1 with one photo
            an item that is McNemar's exact test.
    """

    won: int
    lost: int
    tied: int
    p: float


def by_item(scored: Sequence[Scored]) -> Values:
    """All of ``MEASURES``. Among equal scores the wrong listings come first."""
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for number, one in enumerate(scored):
        # trec_eval puts the greater name first on ties.
        names = [
            f"{'0' if right else '1'}-{candidate}"
            for candidate, right in zip(one.candidates, one.relevant, strict=True)
        ]
        qrels[str(number)] = dict(zip(names, map(int, one.relevant), strict=True))
        run[str(number)] = dict(zip(names, map(float, one.scores), strict=True))
    names_of = {measure: name for name, measure in MEASURES.items()}
    found: dict[str, dict[int, list[float]]] = {name: {} for name in MEASURES}
    for metric in ir_measures.iter_calc(list(MEASURES.values()), qrels, run):
        item = scored[int(metric.query_id)].item
        found[names_of[metric.measure]].setdefault(item, []).append(float(metric.value))
    return {
        name: {item: float(np.mean(values)) for item, values in items.items()}
        for name, items in found.items()
    }


def means(values: Values, *, seed: int) -> dict[str, Measure]:
    """Means over items, each with a percentile bootstrap interval over items."""
    return {name: mean(list(items.values()), seed=seed) for name, items in values.items()}


def mean(values: Sequence[float], *, seed: int) -> Measure:
    """Of at least two values."""
    interval = stats.bootstrap(
        (np.asarray(values, float),),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Measure(float(np.mean(values)), float(interval.low), float(interval.high))


def paired(first: Values, second: Values) -> dict[str, Paired]:
    """The second against the first, on items that both have, by each of ``PAIRED``."""
    return {name: _sign_test(first[name], second[name]) for name in PAIRED}


def _sign_test(first: dict[int, float], second: dict[int, float]) -> Paired:
    both = [item for item in first if item in second]
    change = np.array([second[item] - first[item] for item in both])
    won, lost = int((change > 1e-9).sum()), int((change < -1e-9).sum())
    p = stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
    return Paired(won, lost, len(both) - won - lost, float(p))


def auc(scored: Sequence[Scored]) -> float | None:
    """That a right pair scores above a wrong one, over all photos together; None without wrong."""
    right, scores = pooled(scored)
    return None if right.all() else float(roc_auc_score(right, scores))


def pooled(scored: Sequence[Scored]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """All pairs of photo and listing: which are right, and their scores."""
    return (
        np.concatenate([one.relevant for one in scored]),
        np.concatenate([one.scores for one in scored]),
    )


def curve(scored: Sequence[Scored], longest: int) -> list[float]:
    """Share of photos with a right listing among the first k, for each k from 1 to ``longest``."""
    ranks = np.array([rank(one) for one in scored])
    return [float((ranks <= k).mean()) for k in range(1, longest + 1)]


def rank(one: Scored) -> int:
    """Of the first right listing, from 1; wrong ones with an equal score come before it."""
    best = one.scores[one.relevant].max()
    return 1 + int((one.scores[~one.relevant] >= best).sum())
