"""Bytes to the pixels a model eats. Pure functions.

The second half repeats the geometry of open_clip's inference transform (``image_transform`` in
open_clip 3.x, over torchvision's ``Resize`` and ``CenterCrop``) on Pillow alone, because serving
has no torch. ``tests/test_images.py`` and every import hold the two identical, pixel by pixel.
"""

import io
import warnings
from typing import Literal

import numpy as np
import pillow_heif
from PIL import ExifTags, Image

from clip_ranker.decode import unfold
from clip_ranker.decode.pixel_budget import PixelBudget
from clip_ranker.errors import NotAnImageError, TooLargeError
from clip_ranker.models.preprocess import Pixels, Preprocess

# Two tiles of a picture at a time: each may be as large as the limit allows.
pillow_heif.register_heif_opener(
    decode_threads=2, thumbnails=False, depth_images=False, aux_images=False
)
# The limit is ours (``max_pixels``), lower, and checked before a pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module="PIL")  # about damaged files, which are the norm here

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
START_OF_SCAN = b"\xff\xda"
JPEG_START = b"\xff\xd8"
MAX_WORKED_PIXELS = 640_000_000
"""Over all scans or tiles; the largest picture in a dozen, as progressive files have."""
MAX_SCANS = 64
"""Of a JPEG file; a progressive one has about ten. Each may be a dozen bytes and cost a pass over
the whole picture: 10 MB of them would decode for an hour."""
BAND_PX = 256
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to what undoes it; 1 is upright already."""
ELONGATED = 8
"""Sides further apart than this are cropped before the resize, see ``_resize_and_crop``."""


def prepare(
    data: bytes,
    *,
    preprocess: Preprocess,
    image_resize_px: int,
    max_pixels: int,
    budget: PixelBudget,
) -> Pixels:
    """The whole way from a file's bytes to model pixels: decode, fit, then the model's own.

    Returns:
        uint8 of shape (height, width, 3), RGB, not yet normalised.

    Raises:
        NotAnImageError: the bytes are no supported or no whole picture.
        TooLargeError: it has more than ``max_pixels``.
    """
    image, pixels = _open(data, max_pixels)
    with budget.hold(pixels):
        return to_pixels(fit(_load(image), image_resize_px), preprocess)


def decode(data: bytes, *, max_pixels: int) -> Image.Image:
    """Decodes the first frame, turns it upright and makes it RGB.

    Raises:
        NotAnImageError: the bytes are no supported or no whole picture.
        TooLargeError: the header claims more than ``max_pixels``; nothing was decoded.
    """
    image, _ = _open(data, max_pixels)
    return _load(image)


def _open(data: bytes, max_pixels: int) -> tuple[Image.Image, int]:
    """Reads the header. The number is the pixels of the largest picture that decoding meets."""
    if not data:
        raise NotAnImageError("the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:  # Pillow's parsers raise most of what Python has on hostile bytes
        raise NotAnImageError(_what_is_it(data)) from error
    width, height = image.size
    pixels = worked = width * height
    if pixels > max_pixels:
        raise TooLargeError(f"{width}x{height} pixels, the limit is {max_pixels} in all")
    if image.format in ("AVIF", "HEIF"):
        unfolded = _unfold(data, image.format)
        pixels, worked = max(pixels, unfolded.largest_px), unfolded.total_px
        if pixels > max_pixels:
            raise TooLargeError(f"claims {width}x{height} pixels and has over {max_pixels}")
    if data.startswith(JPEG_START):  # Pillow calls some of them MPO
        scans = data.count(START_OF_SCAN)
        worked = pixels * (scans if scans <= MAX_SCANS else MAX_WORKED_PIXELS)
    if worked > MAX_WORKED_PIXELS:
        raise NotAnImageError("a file of so many scans or tiles is made to keep us busy")
    return image, pixels


def _unfold(data: bytes, kind: str) -> unfold.Unfolded:
    try:
        return unfold.unfold(data)
    except (ValueError, IndexError) as error:
        raise NotAnImageError(f"the {kind} file is damaged or cut short") from error


def _what_is_it(data: bytes) -> str:
    start = data[:512].lstrip().lower()
    if b"<svg" in start:
        found = "this is SVG"
    elif start.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        found = "this is a web page"
    elif start.startswith(b"gif8"):
        found = "this is GIF"
    elif start.startswith(b"%pdf"):
        found = "this is PDF"
    else:
        found = "this is something else, or damaged"
    return f"not a JPEG, PNG, WebP, HEIC or AVIF picture: {found}"


def _load(image: Image.Image) -> Image.Image:
    try:
        image.load()
    except Exception as error:
        raise NotAnImageError(f"the {image.format} file is damaged or cut short") from error
    turn = _turn(image)
    rgb = to_rgb(image)
    if rgb is not image:
        image.close()  # the caller still holds it, and it may be 200 MB
    return rgb if turn is None else rgb.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What undoes the EXIF orientation; a corrupt EXIF block means there is none."""
    try:
        return UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 the picture is fine, only its EXIF block is not
        return None


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: alpha composed onto white, 16-bit grey by its high byte."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # I;16 and kin: convert() would clip at 255, not scale
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return _onto_white(image)
    return image.convert("RGB")


def _onto_white(image: Image.Image) -> Image.Image:
    """By bands: whole copies of a large picture would be the most memory this service takes."""
    white = Image.new("RGB", image.size, "white")
    for top in range(0, image.height, BAND_PX):
        band = image.crop((0, top, image.width, min(top + BAND_PX, image.height))).convert("RGBA")
        white.paste(band, (0, top), band)
    return white


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
