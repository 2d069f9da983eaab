"""Listings that show the same picture, told by their fingerprints. Pure functions."""

from collections.abc import Mapping

import numpy as np

MOST_APART = 4
"""Grey levels by which any value of two fingerprints of one picture may differ.

Measured on 15 photographs, whole and small on white, see docs/api.md: what is saved again or half
as large is within 4, another photograph at least 5 apart, another colour 9, and what lost two
hundredths of its sides up to 28, so that no limit finds these and nothing wrong.

The largest difference, as the mean one does not tell small things on white: another photograph of
120 px is 0.24 apart by it, a copy of a whole one up to 0.68. Nor do vectors: those of mirror images
are nearer (0.995 by cosine) than those of copies at half the size (0.87).
"""


def same_pictures(fingerprints: Mapping[int, bytes]) -> dict[int, int]:
    """Groups candidates; two are in one group where a chain of same pictures leads between them.

    Args:
        fingerprints: by position of the candidate, all of one length.

    Returns:
        The first position in the group of each position, its own where it is alone.
    """
    if not fingerprints:
        return {}
    positions = sorted(fingerprints)
    count = len(positions)
    prints = np.frombuffer(b"".join(fingerprints[position] for position in positions), np.uint8)
    prints = prints.reshape(count, -1)
    # By brightness: what is the same is near in that, too, so few of all pairs are compared.
    brightness = prints.sum(axis=1, dtype=np.int64)
    order = brightness.argsort()
    prints, brightness = prints[order], brightness[order]
    ends = np.searchsorted(brightness, brightness + MOST_APART * prints.shape[1], side="right")
    same = np.eye(count, dtype=bool)
    for n, end in enumerate(ends.tolist()):
        one, others = prints[n], prints[n + 1 : end]
        apart = np.maximum(one, others) - np.minimum(one, others)
        same[order[n], order[n + 1 : end]] = (apart <= MOST_APART).all(axis=1)
    same |= same.T
    first = np.arange(count)
    while True:
        lower = np.where(same, first, count).min(axis=1)
        lower = lower[lower]  # along a chain in few steps
        if (lower == first).all():
            return {positions[n]: positions[group] for n, group in enumerate(first.tolist())}
        first = lower
