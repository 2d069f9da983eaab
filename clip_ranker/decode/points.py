"""Points of interest of a picture, by ORB, which finds them whichever way the picture lies.

Pure functions. OpenCV is an extra, so it is imported by those who ask for points alone.
"""

from functools import cache
from types import ModuleType

import numpy as np
from PIL import Image

from clip_ranker.decode.colours import ToSrgb
from clip_ranker.decode.geometry import fit

RECIPE = 1
"""Raised when other points are found, or kept in another way: it goes into keys of embeddings."""
MOST_POINTS = 500
"""Twice as many found no more right listings first, and take twice the memory."""
LONGEST_PX = 480
LEAST_PX = 63
"""A shorter side has no point: ORB takes none within 31 pixels of an edge."""
POINT = np.dtype([("place", "<u2", 2), ("described", "u1", 32)])
"""Column and row in whole pixels, of the picture reduced to ``LONGEST_PX``; 256 bits around it."""
MOST_BYTES = MOST_POINTS * POINT.itemsize


@cache
def opencv() -> ModuleType:
    """OpenCV, on the thread that calls it: pictures are worked on side by side already."""
    import cv2

    cv2.setNumThreads(1)
    return cv2


def find(image: Image.Image, to_srgb: ToSrgb | None = None) -> bytes:
    """What stands out most, as ``rank/local_features`` compares it.

    Args:
        image: upright; RGB, or what ``to_srgb`` takes.
        to_srgb: of a picture in other colours.

    Returns:
        Up to ``MOST_POINTS`` of ``POINT``, the most distinct first; empty where nothing stands out.
    """
    small = fit(image, LONGEST_PX)
    if min(small.size) < LEAST_PX:
        return b""
    grey = np.asarray((to_srgb(small) if to_srgb else small).convert("L"))
    cv2 = opencv()
    found, described = cv2.ORB.create(MOST_POINTS).detectAndCompute(grey, None)
    if not found:
        return b""
    # As many as are equally distinct may come on top of what was asked for.
    order = np.argsort([-one.response for one in found], kind="stable")[:MOST_POINTS]
    points = np.empty(len(order), POINT)
    points["place"] = np.rint(cv2.KeyPoint.convert(found))[order]
    points["described"] = described[order]
    return points.tobytes()
