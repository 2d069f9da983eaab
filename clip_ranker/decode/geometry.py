"""The geometry of a model's input: uint8 pixels of its size out of any picture. Pure functions.

Repeats open_clip's inference transform (``image_transform`` in open_clip 3.x, over torchvision's
``Resize`` and ``CenterCrop``) on Pillow alone, because serving has no torch.
``tests/decode/test_geometry.py`` and every import hold the two identical, pixel by pixel.
"""

from typing import Literal

import numpy as np
from PIL import Image

from clip_ranker.models.preprocess import Pixels, Preprocess

ELONGATED = 8
"""Sides further apart than this are cropped before the resize, see ``_resize_and_crop``."""


def fit(image: Image.Image, longest_px: int) -> Image.Image:
    """Shrinks so that the longest side is ``longest_px``; never enlarges."""
    longest = max(image.size)
    if longest <= longest_px:
        return image
    width, height = (max(1, round(side * longest_px / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def to_pixels(image: Image.Image, preprocess: Preprocess) -> Pixels:
    """The model's own resize, crop or pad.

    Args:
        image: RGB, of any size.
        preprocess: of the model.

    Returns:
        uint8 of shape (height, width, 3).
    """
    want = (preprocess.width, preprocess.height)
    resample = Image.Resampling[preprocess.interpolation.upper()]
    if preprocess.resize_mode == "squash":
        return np.array(image if image.size == want else image.resize(want, resample))
    resized = _keep_ratio(image.size, want, preprocess.resize_mode)
    if preprocess.resize_mode == "shortest" and max(resized) > ELONGATED * max(want):
        return np.array(_resize_and_crop(image, resized, want, resample))
    if resized != image.size:
        image = image.resize(resized, resample)
    return np.array(_center(image, want, preprocess.fill))


def _keep_ratio(
    size: tuple[int, int], want: tuple[int, int], mode: Literal["shortest", "longest"]
) -> tuple[int, int]:
    """Size after the resize. Square crops round down, others to nearest, as in open_clip."""
    if mode == "shortest" and want[0] == want[1]:
        short, side = min(size), want[0]
        width, height = (side if s == short else int(side * s / short) for s in size)
        return width, height
    ratios = [s / w for s, w in zip(size, want, strict=True)]
    ratio = min(ratios) if mode == "shortest" else max(ratios)
    width, height = (max(1, round(s / ratio)) for s in size)
    return width, height


def _center(image: Image.Image, want: tuple[int, int], fill: int) -> Image.Image:
    """Cuts or pads each side to the centre; half pixels round to even, as Python does."""
    width, height = image.size
    if width < want[0] or height < want[1]:
        grown = (max(width, want[0]), max(height, want[1]))
        padded = Image.new("RGB", grown, (fill, fill, fill))
        padded.paste(image, ((grown[0] - width) // 2, (grown[1] - height) // 2))
        image, (width, height) = padded, grown
    left, top = round((width - want[0]) / 2), round((height - want[1]) / 2)
    return image.crop((left, top, left + want[0], top + want[1]))


def _resize_and_crop(
    image: Image.Image,
    resized: tuple[int, int],
    want: tuple[int, int],
    resample: Image.Resampling,
) -> Image.Image:
    """Resizes only what the crop keeps.

    A picture of 2048 by 1 would grow to 458,752 by 224 before its crop. The result differs from
    the long way only along the edges of the crop, by less than the filter's reach.
    """
    left, top = ((r - w) / 2 for r, w in zip(resized, want, strict=True))
    x, y = (s / r for s, r in zip(image.size, resized, strict=True))
    box = (left * x, top * y, (left + want[0]) * x, (top + want[1]) * y)
    return image.resize(want, resample, box=box)
