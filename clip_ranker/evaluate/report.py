"""What a run found, for the table, the JSON and the page."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from clip_ranker.evaluate.calibrate import Calibrated
from clip_ranker.evaluate.cost import Cost
from clip_ranker.evaluate.data import Dataset, Fault
from clip_ranker.evaluate.judge import Scored
from clip_ranker.evaluate.measures import Measure, Paired, rank

MISTAKES = 8
"""Of each row, the worst."""


@dataclass(frozen=True)
class Mistake:
    """A photo for which a wrong listing came first.

    Attributes:
        photo, right, preferred: names of the pictures: the right listing with the highest score,
            and the wrong one with the highest.
        rank: of the right one.
    """

    photo: str
    right: str
    right_score: float
    preferred: str
    preferred_score: float
    rank: int


@dataclass(frozen=True)
class Row:
    """One data set, model and setting.

    Attributes:
        items, photos: how many were judged.
        measures: means over items, with intervals.
        auc: of all right pairs against all wrong ones; None where there are none.
        curve: recall at 1, 2, 3 and so on.
        photo_cost, listing_cost: of one picture; None where there were vectors only.
        mistakes: the worst, widest gap first.
        mistaken: how many photos have a wrong listing first.
    """

    dataset: str
    model: str
    setting: str
    items: int
    photos: int
    measures: dict[str, Measure]
    auc: float | None
    curve: list[float]
    photo_cost: Cost | None
    listing_cost: Cost | None
    mistakes: list[Mistake]
    mistaken: int


@dataclass(frozen=True)
class Comparison:
    """Of two rows of one data set: the second's wins and losses against the first."""

    dataset: str
    first: tuple[str, str]
    second: tuple[str, str]
    paired: dict[str, Paired]


@dataclass
class Report:
    """All that a run found; ``seed`` is that of its intervals."""

    seed: int = 0
    rows: list[Row] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    calibrations: list[Calibrated] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def mistakes(dataset: Dataset, scored: Sequence[Scored]) -> list[Mistake]:
    """All of them, the widest gap between the preferred and the right one first."""
    found = []
    for one in scored:
        if (place := rank(one)) == 1:
            continue
        # Least of all numbers where the other kind stands.
        right = int(np.where(one.relevant, one.scores, -np.inf).argmax())
        wrong = int(np.where(one.relevant, -np.inf, one.scores).argmax())
        found.append(
            Mistake(
                photo=one.photos[0],
                right=dataset.listings[one.candidates[right]],
                right_score=float(one.scores[right]),
                preferred=dataset.listings[one.candidates[wrong]],
                preferred_score=float(one.scores[wrong]),
                rank=place,
            )
        )
    return sorted(found, key=lambda one: one.right_score - one.preferred_score)
