"""Pairs of a photo and a listing, as right or wrong: what a calibration is fitted on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from clip_ranker.evaluate.data import Dataset
from clip_ranker.evaluate.judge import Scored


@dataclass(frozen=True)
class Pairs:
    """Arrays of one length.

    Attributes:
        scores: cosine similarities.
        same: whether both show one item.
        photo_items, listing_items: numbers of what they show, no number in two data sets.
        sets: number of the data set.
    """

    scores: NDArray[np.float64]
    same: NDArray[np.bool_]
    photo_items: NDArray[np.intp]
    listing_items: NDArray[np.intp]
    sets: NDArray[np.intp]

    @property
    def right(self) -> int:
        """How many are right."""
        return int(self.same.sum())

    @property
    def wrong(self) -> int:
        """How many are wrong."""
        return len(self.same) - self.right

    def where(self, chosen: NDArray[np.bool_]) -> "Pairs":
        """Some of them."""
        return Pairs(*(getattr(self, one.name)[chosen] for one in fields(self)))

    def among(self, items: NDArray[np.intp]) -> "Pairs":
        """Those of which photo and listing both show one of the items."""
        return self.where(np.isin(self.photo_items, items) & np.isin(self.listing_items, items))

    def weights(self, listings: int) -> NDArray[np.float64]:
        """Of each pair, so that one in ``listings`` is right; a right one weighs 1."""
        wrong = (listings - 1) * self.right / max(1, self.wrong)
        return np.where(self.same, 1.0, wrong)


def collect(judged: Iterable[tuple[Dataset, list[Scored]]]) -> Pairs:
    """All pairs of several data sets."""
    parts: list[Pairs] = []
    offset = 0
    for number, (dataset, scored) in enumerate(judged):
        shown = np.asarray(dataset.listing_items, np.intp)
        for one in scored:
            count = len(one.scores)
            parts.append(
                Pairs(
                    one.scores.astype(np.float64),
                    one.relevant,
                    np.full(count, one.item + offset, np.intp),
                    shown[one.candidates] + offset,
                    np.full(count, number, np.intp),
                )
            )
        offset += 1 + max(int(shown.max()), *(one.item for one in scored))
    return joined(parts)


def joined(parts: Sequence[Pairs]) -> Pairs:
    """All pairs of several, one behind the other."""
    return Pairs(
        *(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Pairs))
    )
