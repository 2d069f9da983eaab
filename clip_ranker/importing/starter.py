"""EfficientNet-Lite0 as an image tower that tells things apart, out of weights for ImageNet.

Trained to name kinds of things, its plain mean over the picture says little about which one of a
kind. Three steps that need no training, all inside the graph:

- *three views* cut out of one padded picture (``views``);
- *generalised mean* (GeM) over places instead of the mean: what is strong somewhere counts more;
- *whitening* within photographs: directions in which pictures of one and the same thing differ
  (light, turn, distance) count less, as in linear discriminant analysis.

docs/evaluation.md has what each is worth. ``bench/fit.py`` makes the file beside this one, out of
photographs that no user will rank.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clip_ranker.importing import views

FILE = Path(__file__).with_name("whitening.npz")
SHA256 = "3b288d8ea4e9bfcf41992d6593b01696557a10b0160ee4497053c46c236d604f"
SIDE_PX = 320
"""Of the padded picture."""
VIEW_PX = 224
"""Of what the net sees, as it was trained."""
POWER = 3.0
"""Of the generalised mean over places (GeM); 1 is the mean."""
STRENGTH = 1.0
"""Of the whitening: t over the mean eigenvalue."""
RANK = 64
SMALLEST = 1e-6


@dataclass(frozen=True)
class Whitening:
    """x ↦ y - B (Bᵀ y) with y = x - mean: (C + t·I)^(-1/2) but for a factor, of low rank.

    With eigenvectors u and eigenvalues λ of a covariance C the columns of B are
    u · √(1 - √(t / (λ + t))); where λ is 0 nothing changes.

    Attributes:
        mean: float32 (dim,), of unit vectors.
        basis: float32 (dim, rank).
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]


def fitted(vectors: NDArray[np.float32], strength: float, rank: int = RANK) -> Whitening:
    """By the covariance within groups, of unit vectors (groups, pictures of each, dim).

    Args:
        strength: t over the mean eigenvalue; the greater, the less is changed.
        rank: how many directions are shrunk, those that differ most.
    """
    within = (vectors - vectors.mean(axis=1, keepdims=True)).reshape(-1, vectors.shape[-1])
    # Eigenvalues of the covariance without making it: pictures are fewer than dimensions.
    _, singular, directions = np.linalg.svd(within.astype(np.float64), full_matrices=False)
    eigenvalues = singular**2 / len(within)
    t = strength * eigenvalues.sum() / vectors.shape[-1]
    shrunk = np.sqrt(1 - np.sqrt(t / (eigenvalues + t)))
    mean = vectors.mean(axis=(0, 1), dtype=np.float64)
    basis = (directions.T * shrunk)[:, :rank]
    return Whitening(mean.astype(np.float32), basis.astype(np.float32))


def shipped() -> Whitening:
    """The one beside this file.

    Raises:
        ValueError: the file is another than the one that was judged.
    """
    if hashlib.sha256(FILE.read_bytes()).hexdigest() != SHA256:
        raise ValueError(f"{FILE.name} is not the file that belongs here")
    with np.load(FILE) as arrays:
        return Whitening(arrays["mean"], arrays["basis"].astype(np.float32))


class Starter(nn.Module):
    """Normalised pixels to vectors, not of unit length.

    Args:
        net: convolutions, (batch, 3, height, width) to (batch, dim, rows, columns) by
            ``extract_features``.
        parts: of the picture's side, of each view; vectors are summed.
        power: of the generalised mean.
        whitening: None leaves it out.
    """

    def __init__(
        self,
        net: Any,
        whitening: Whitening | None,
        parts: Sequence[float] = views.PARTS,
        power: float = POWER,
    ) -> None:
        super().__init__()
        self.net: Any = net
        self.parts, self.power = tuple(parts), power
        self.whitened = whitening is not None
        if whitening is not None:
            self.mean = nn.Parameter(torch.from_numpy(whitening.mean))
            self.basis = nn.Parameter(torch.from_numpy(whitening.basis))

    def forward(self, pixels: Tensor) -> Tensor:
        # One after the other: together they would take three times the memory.
        size = VIEW_PX, VIEW_PX
        total = sum(self.unit(views.cut(pixels, part, size)) for part in self.parts)
        assert isinstance(total, Tensor)
        if self.whitened:
            centred = nn.functional.normalize(total, dim=-1) - self.mean
            total = centred - (centred @ self.basis) @ self.basis.T
        return total

    def unit(self, view: Tensor) -> Tensor:
        """One view's vector, of unit length."""
        places: Tensor = self.net.extract_features(view)
        if self.power == 1:
            pooled = places.mean((2, 3))
        else:
            pooled = places.clamp(min=SMALLEST).pow(self.power).mean((2, 3)).pow(1 / self.power)
        return nn.functional.normalize(pooled, dim=-1)
