"""Vectors to ranks. Pure functions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def cosine(query: NDArray[np.float32], embedding: NDArray[np.float32]) -> float:
    """Cosine similarity of two unit vectors.

    Args:
        query: shape (width,), unit length.
        embedding: shape (width,), unit length.

    Returns:
        Their dot product, summed in float64 so that the order of summation does not decide
        ties, clipped to [-1, 1].
    """
    product = float(np.dot(query.astype(np.float64), embedding.astype(np.float64)))
    return min(1.0, max(-1.0, product))


def order(scores: Sequence[float]) -> list[int]:
    """Indices of ``scores`` from highest to lowest; equal scores keep their order."""
    return sorted(range(len(scores)), key=lambda index: -scores[index])
