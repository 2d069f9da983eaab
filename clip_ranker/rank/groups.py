"""Listings that show the same picture, told by their vectors. Pure functions."""

from collections.abc import Mapping

import numpy as np

from clip_ranker.models.encoder import Embedding

SAME_PICTURE_COSINE = 0.997
"""From which on two thumbnails count as one picture.

Measured with EfficientNet-Lite0 on 16 photographs of 600 px: nearest pair of different ones 0.905,
nearest mirror image 0.9957. JPEGs of quality 95 have 0.9959 to 0.9999 with those of 90 (13 of 16
are found), of 85 0.976 to 0.9999 (10), of 50 and half the size 0.82 to 0.996 (none): no threshold
finds these and no mirror image. Each model needs its own; an evaluation is to set it.
"""


def same_pictures(embeddings: Mapping[int, Embedding]) -> dict[int, int]:
    """Groups candidates; two are in one group where a chain of same pictures leads between them.

    Args:
        embeddings: shape (dim,), unit length, by position of the candidate.

    Returns:
        The first position in the group of each position, its own where it is alone.
    """
    if not embeddings:
        return {}
    positions = sorted(embeddings)
    # In float64, so that the order of summation does not decide.
    vectors = np.stack([embeddings[position] for position in positions]).astype(np.float64)
    same = vectors @ vectors.T >= SAME_PICTURE_COSINE
    same |= same.T
    np.fill_diagonal(same, val=True)
    first = np.arange(len(positions))
    while True:
        lower = np.where(same, first, len(first)).min(axis=1)
        lower = lower[lower]  # along a chain in few steps
        if (lower == first).all():
            return {positions[n]: positions[group] for n, group in enumerate(first.tolist())}
        first = lower
