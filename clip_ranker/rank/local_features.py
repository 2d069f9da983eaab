"""A second look at the first listings, point by point.

A vector tells what kind of thing a picture shows; points tell the very thing, where what is printed
on it or photographed is seen again: docs/evaluation.md has what it is worth.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_ranker.decode.points import POINT, opencv
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.rank.scores import Outcome

FIRST = 10
"""Different pictures that are looked at again: bounds the work."""
RATIO = 0.75
"""Of the distance to the nearest point's bits and that to the second, at most (Lowe's test)."""
OFF_PX = 5.0
THREAD = ThreadPoolExecutor(1, "second-look")
"""For all requests: the model wants the processor too."""
LEAST_POINTS = 12
"""Fewer agree by chance."""
Described = tuple[NDArray[np.float32], NDArray[Any]]
"""Points: their places, shape (n, 2), in pixels; and what is around each, shape (n, …)."""


def agreeing(photo: bytes, listing: bytes) -> int:
    """How many points of two pictures agree: one homography takes them there, within ``OFF_PX``.

    Args:
        photo, listing: points, as ``decode/points`` finds them.

    Returns:
        Not more than either has; 0 for less than ``LEAST_POINTS``. The same at every call.
    """
    there, here = (_described(np.frombuffer(one, POINT)) for one in (photo, listing))
    return explained(there, here, opencv().NORM_HAMMING)


def explained(photo: Described, listing: Described, norm: int) -> int:
    """As ``agreeing``, of points of any kind.

    Args:
        photo, listing: of each.
        norm: OpenCV's, by which such descriptions are compared.
    """
    if min(len(photo[0]), len(listing[0])) < LEAST_POINTS:
        return 0
    cv2 = opencv()
    nearest = cv2.BFMatcher(norm).knnMatch(photo[1], listing[1], k=2)
    good = [one for one, second in nearest if one.distance < RATIO * second.distance]
    if len(good) < LEAST_POINTS:
        return 0
    at = np.array([match.trainIdx for match in good])
    there, here = photo[0][[match.queryIdx for match in good]], listing[0][at]
    # OpenCV draws its samples from the same seed each time.
    _, fits = cv2.findHomography(there, here, cv2.RANSAC, OFF_PX)
    if fits is None:
        return 0
    # Of the listing's, because many points of the photo may be nearest to one of them.
    count = len(np.unique(at[fits.ravel().astype(bool)]))
    return count if count >= LEAST_POINTS else 0


def first_pictures(outcomes: Mapping[int, Outcome], groups: Mapping[int, int]) -> list[int]:
    """Positions of the best listings by score that show different pictures, ``FIRST`` at most.

    Args:
        outcomes: of each listing, by its position.
        groups: of each with a score, the same for all that show one picture.
    """
    scores = {n: one for n, one in outcomes.items() if isinstance(one, float)}
    best: dict[int, int] = {}
    for position in sorted(scores, key=lambda n: (-scores[n], n)):
        best.setdefault(groups[position], position)
    return list(best.values())[:FIRST]


async def look_again(
    photos: Sequence[bytes],
    listings: Mapping[int, Embedded],
    outcomes: Mapping[int, Outcome],
    groups: Mapping[int, int],
    deadline: float,
) -> dict[int, int] | None:
    """How many points agree with the photo that has most, by position, of listings with enough.

    All that show one of the first pictures have its number.

    Args:
        photos: points of each that has any.
        listings: by position.
        outcomes, groups: as ``first_pictures`` takes them.
        deadline: by the event loop's clock.

    Returns:
        Empty where no photo has points; None where the deadline came first.
    """
    if not photos:
        return {}
    found: dict[int, int] = {}
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(deadline):
            for position in first_pictures(outcomes, groups):
                # One at a time, so that no more than that runs on at the deadline.
                work = partial(_most, photos, listings[position].points)
                found[groups[position]] = await loop.run_in_executor(THREAD, work)
    except TimeoutError:
        return None
    return {n: found[group] for n, group in groups.items() if found.get(group)}


def _described(points: NDArray[np.void]) -> Described:
    return points["place"].astype(np.float32), np.ascontiguousarray(points["described"])


def _most(photos: Sequence[bytes], listing: bytes) -> int:
    return max(agreeing(photo, listing) for photo in photos)
