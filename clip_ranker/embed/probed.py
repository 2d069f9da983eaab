"""What an embedder is probed with, and what that told."""

from dataclasses import dataclass

import numpy as np

from clip_ranker.models.preprocess import Pixels, Preprocess


@dataclass
class Probed:
    """One model.

    Attributes:
        black: a picture to probe it with, uint8 (1, height, width, 3).
        one_picture_s: what one takes by itself.
        failed_on: so many pictures, since the last probe.
    """

    black: Pixels
    one_picture_s: float = 0.0
    failed_on: int = 0

    @classmethod
    def of(cls, preprocess: Preprocess) -> "Probed":
        """One of which nothing is known."""
        return cls(np.zeros((1, preprocess.height, preprocess.width, 3), np.uint8))
