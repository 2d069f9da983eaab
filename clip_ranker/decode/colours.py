"""Colours of another space to sRGB, by LittleCMS."""

import io
from collections.abc import Callable
from hashlib import sha256

import numpy as np
from cachetools import LRUCache, cached
from PIL import Image, ImageCms

ToSrgb = Callable[[Image.Image], Image.Image]
"""Of a picture of any size; the result is RGB."""

GREY = ("1", "L", "LA", "I", "I;16", "I;16B")
MAX_PROFILE_BYTES = 4_000_000
"""The largest that printers use have three."""
MOST_PROFILES = 16
"""A transform takes 0.1 to 1 MB, and 5 ms to build."""
SAME = 2
"""Grey levels within which a profile is sRGB under another name."""

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
CUBE = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).reshape(18, -1, 3).astype(np.uint8)


def to_srgb(profile: bytes | None, mode: str) -> ToSrgb | None:
    """What makes sRGB of a picture.

    Args:
        profile: as the file has it.
        mode: of the picture as it was decoded.

    Returns:
        None for sRGB itself, and for a profile that is broken or of other channels: browsers do
        the same.
    """
    if not profile or len(profile) > MAX_PROFILE_BYTES:
        return None
    return _converter(profile, "L" if mode in GREY else "CMYK" if mode == "CMYK" else "RGB")


@cached(LRUCache(MOST_PROFILES), key=lambda profile, mode: (sha256(profile).digest(), mode))
def _converter(profile: bytes, mode: str) -> ToSrgb | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = {"GRAY": "L"}.get(name := source.profile.xcolor_space.strip(), name)
        if space != mode and (space, mode) != ("RGB", "L"):
            return None
        transform = ImageCms.ImageCmsTransform(source, SRGB, space, "RGB")
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None

    def convert(image: Image.Image) -> Image.Image:
        return transform.apply(image.getchannel(0) if space == "L" else image)

    if space != "CMYK":
        sample = np.repeat(CUBE[..., :1], 3, axis=2) if space == "L" else CUBE
        found = np.asarray(convert(Image.fromarray(sample)), np.int16)
        if np.abs(found - sample).max() <= SAME:
            return None
    return convert
