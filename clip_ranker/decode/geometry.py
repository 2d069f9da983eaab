"""The geometry of a model's input: uint8 pixels of its size out of any picture. Pure functions.

Repeats open_clip's inference transform (``image_transform`` in open_clip 3.x, over torchvision's
``Resize`` and ``CenterCrop``) on Pillow alone, because serving has no torch.
``tests/decode/test_geometry.py`` and every import hold the two identical, pixel by pixel.
"""

from typing import Literal

import numpy as np
from PIL import Image

from clip_ranker.decode.colours import ToSrgb
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


def turn(image: Image.Image, quarters: int) -> Image.Image:
    """Turns to the left."""
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return image.transpose(turns[quarters - 1]) if quarters else image


def to_pixels(image: Image.Image, preprocess: Preprocess, to_srgb: ToSrgb | None = None) -> Pixels:
    """The model's own resize, crop or pad.

    Args:
        image: of any size; RGB, or what ``to_srgb`` takes.
        preprocess: of the model.
        to_srgb: of a picture in other colours; comes last, when there are fewest pixels.

    Returns:
        uint8 of shape (height, width, 3).
    """
    want = (preprocess.width, preprocess.height)
    resample = Image.Resampling[preprocess.interpolation.upper()]
    resized = want
    if preprocess.resize_mode != "squash":
        resized = _keep_ratio(image.size, want, preprocess.resize_mode)
    if preprocess.resize_mode == "shortest" and max(resized) > ELONGATED * max(want):
        image = _resize_and_crop(image, resized, want, resample)
    elif resized != image.size:
        image = image.resize(resized, resample)
    image = _crop(image, want)
    if to_srgb is not None:
        image = to_srgb(image)
    return np.array(_pad(image, want, preprocess.fill))


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


def _crop(image: Image.Image, want: tuple[int, int]) -> Image.Image:
    """Cuts longer sides to the centre; half pixels round to even, as Python does."""
    width, height = (min(side, most) for side, most in zip(image.size, want, strict=True))
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _pad(image: Image.Image, want: tuple[int, int], fill: int) -> Image.Image:
    """Puts shorter sides into the centre."""
    if image.size == want:
        return image
    padded = Image.new("RGB", want, (fill, fill, fill))
    padded.paste(image, ((want[0] - image.width) // 2, (want[1] - image.height) // 2))
    return padded


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
