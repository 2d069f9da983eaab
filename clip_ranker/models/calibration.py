"""From a cosine similarity to the probability of the same item, fitted for one stored model."""

import os
import tempfile
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from clip_ranker.errors import ModelNotFoundError

FILE = "calibration.json"
Match = Literal["same", "similar", "different"]
"""Band of a score."""


@dataclass(frozen=True)
class Calibration:
    """Probability and band of a score. What is inconsistent raises ValueError.

    Attributes:
        scores: knots, strictly ascending.
        probabilities: of the same item at each knot, 0 to 1, never falling; linear between
            two knots, flat beyond the first and the last.
        same: lowest score at which ``precision`` is reached; None where no score reaches it.
        similar: lowest score of the band below ``same``; None where there is no such band.
        precision: share of right ones that was asked of the band ``same``.
        fitted_on: the data, for people.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    same: float | None
    similar: float | None
    precision: float
    fitted_on: str

    def __post_init__(self) -> None:
        """Checks what no type says."""
        if not self.scores or len(self.scores) != len(self.probabilities):
            raise ValueError("there must be knots, and as many probabilities as scores")
        bands = [bound for bound in (self.similar, self.same) if bound is not None]
        if not all(-1 <= score <= 1 for score in (*self.scores, *bands)):
            raise ValueError("scores, same and similar must be from -1 to 1")
        if any(a >= b for a, b in pairwise(self.scores)):
            raise ValueError("scores must ascend strictly")
        if not all(0 <= one <= 1 for one in self.probabilities):
            raise ValueError("probabilities must be from 0 to 1")
        if any(a > b for a, b in pairwise(self.probabilities)):
            raise ValueError("probabilities must not fall")
        if bands != sorted(bands):
            raise ValueError("same must not be below similar")
        if not 0 < self.precision <= 1:
            raise ValueError("precision must be above 0 and at most 1")

    def probability(self, score: float) -> float:
        """That a listing of this score is the same item, 0 to 1."""
        above = bisect_right(self.scores, score)
        if above in (0, len(self.scores)):
            return self.probabilities[max(0, above - 1)]
        low, high = self.scores[above - 1 : above + 1]
        at_low, at_high = self.probabilities[above - 1 : above + 1]
        part = (score - low) / (high - low)
        # Bounded: rounding may lead past the next knot.
        return min(at_high, at_low + part * (at_high - at_low))

    def match(self, score: float) -> Match:
        """Band of a score."""
        if self.same is not None and score >= self.same:
            return "same"
        return "similar" if self.similar is not None and score >= self.similar else "different"

    def save(self, folder: Path) -> None:
        """Writes ``calibration.json``, whole or not at all."""
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{FILE}.", delete=False) as file:
            try:
                file.write(STORED.dump_json(self, indent=1) + b"\n")
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)
                Path(file.name).replace(folder / FILE)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise


STORED = TypeAdapter(Calibration)


def load(folder: Path) -> Calibration | None:
    """The calibration of the model stored in a folder, None where it has none.

    Raises:
        ModelNotFoundError: there is one that cannot be read.
    """
    path = folder / FILE
    try:
        return STORED.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise ModelNotFoundError(
            f"the calibration {path} cannot be read ({why}): delete the file, then fit it again "
            "with `clip-ranker evaluate DATASET --calibrate`"
        ) from error
