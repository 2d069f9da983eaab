"""A small print of a picture, to tell copies of it by. Pure functions."""

import hashlib
import struct

from PIL import Image

from clip_ranker.decode.colours import ToSrgb

LUMA_PX = 48
CHROMA_PX = 16
GAP = 3
"""Pixels of the reduced picture to one of the print: with fewer, a copy at another size differs."""
DIGEST_BYTES = 16
SIZE = struct.Struct("<2H")
FINGERPRINT_BYTES = DIGEST_BYTES + SIZE.size + LUMA_PX**2 + 2 * CHROMA_PX**2


def fingerprint(image: Image.Image, to_srgb: ToSrgb | None = None) -> bytes:
    """What ``rank/groups`` compares, of the whole picture, whatever part of it the model sees.

    Args:
        image: upright, of at most 65,535 px a side; RGB, or what ``to_srgb`` takes.
        to_srgb: of a picture in other colours.

    Returns:
        A digest of the picture, reduced by a whole number; its width and height; its luma, uint8
        (48, 48); its chroma, uint8 (2, 16, 16).
    """
    x, y = (max(1, side // (GAP * LUMA_PX)) for side in image.size)
    reduced = image.reduce((x, y))
    box = (0, 0, image.width / x, image.height / y)
    small = reduced.resize((LUMA_PX, LUMA_PX), Image.Resampling.BILINEAR, box=box)
    luma, *chroma = (to_srgb(small) if to_srgb else small).convert("YCbCr").split()
    planes = [one.resize((CHROMA_PX, CHROMA_PX), Image.Resampling.BOX) for one in chroma]
    digest = hashlib.sha256(reduced.tobytes()).digest()[:DIGEST_BYTES]
    return b"".join((digest, SIZE.pack(*image.size), *(p.tobytes() for p in (luma, *planes))))
