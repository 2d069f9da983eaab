"""What the starter's scores mean, fitted as ``evaluate --calibrate`` does, and stored nowhere."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets import objects
from clip_ranker.evaluate import calibrate
from clip_ranker.evaluate.data import Dataset
from clip_ranker.evaluate.judge import Scored
from clip_ranker.evaluate.pairs import collect

PRECISION, LISTINGS = 0.95, 50
"""As the command has them when nothing else is said."""
TWINS = "other-side"

Judged = tuple[Dataset, list[Scored]]


def fitted(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Figures of three calibrations: on twins, on what has none, and on all together."""
    twins = [one for one in judged if Path(one[0].name).name == TWINS]
    others = [one for one in judged if Path(one[0].name).name != TWINS]
    parts = {"twins": twins, "others": others, "all": judged}
    return [{"name": name, **_fitted(part, twins)} for name, part in parts.items()]


def _fitted(judged: Sequence[Judged], twins: Sequence[Judged]) -> dict[str, Any]:
    pairs = collect(judged)
    data = [Path(dataset.name).name for dataset, _ in judged]
    found = calibrate.fit(
        pairs,
        model="starter",
        data=", ".join(data),
        precision=PRECISION,
        listings=LISTINGS,
        seed=0,
    )
    same = found.calibration.same
    counted = [both_same(*one, same) for one in twins]
    return {
        "data": data,
        "right": pairs.right,
        "wrong": pairs.wrong,
        "calibrated": asdict(found),
        "twins_same": sum(both for both, _ in counted),
        "twins": sum(pairs for _, pairs in counted),
    }


def both_same(dataset: Dataset, scored: Sequence[Scored], same: float | None) -> tuple[int, int]:
    """Of pairs of a right listing and a twin beside one photo: both in the band, and all."""
    both = pairs = 0
    for one in scored:
        shapes = np.array([_shape(dataset.listings[place]) for place in one.candidates])
        twins = (shapes == shapes[one.relevant][0]) & ~one.relevant
        pairs += int(twins.sum())
        if same is not None and one.scores[one.relevant].max() >= same:
            both += int((one.scores[twins] >= same).sum())
    return both, pairs


def _shape(listing: str) -> int:
    """Number of an object's shape; ``name-120`` is ``name`` in another colour."""
    name = Path(listing).parent.name.partition("-")[0]
    return next(number for number, names in enumerate(objects.SHAPES) if name in names)
