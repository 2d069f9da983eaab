"""How a model wants its pixels."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Of one picture, (height, width, 3), or of a batch, (batch, height, width, 3); RGB."""


@dataclass(frozen=True)
class Preprocess:
    """How a model wants its pixels; comes out of the store with the model.

    Attributes:
        height, width: of the input, in pixels.
        mean, std: of each channel, on a scale of 0 to 1.
        interpolation: of the resize.
        resize_mode: ``shortest`` side to the input and crop, ``longest`` and pad, or ``squash``.
        fill: grey level of the padding, 0 to 255.
    """

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    resize_mode: Literal["shortest", "longest", "squash"] = "shortest"
    fill: int = 0

    @property
    def grey(self) -> int:
        """Level nearest to what normalisation makes 0, to pad with."""
        return round(255 * sum(self.mean) / 3)
