"""Listings that show the same picture, told by their fingerprints. Pure functions."""

from collections.abc import Mapping

import numpy as np

MOST_APART = 4
"""Grey levels by which any value of two fingerprints of one picture may differ.

Measured on 15 photographs of 600 px, and on each of them 210 and 120 px large on white: JPEG of
quality 30 to 95, WebP and AVIF of 50, three quarters and half the size are within 4 of JPEG of
quality 90; a quarter of the size is within 6. The nearest mirror image of a whole photograph is
9 apart, another colour (20 of 256 steps of hue) 9, different photographs 18, on white of 210 px 10
and of 120 px 5. Two hundredths cut off are 12 to 28 apart: no limit finds these and nothing wrong.
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
