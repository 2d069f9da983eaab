"""A picture file's bytes to upright sRGB."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageFile

from clip_ranker.decode import cut_short
from clip_ranker.decode.colours import ToSrgb, to_srgb
from clip_ranker.decode.header import JPEG_START, Opened, Stream, open_file, read_header
from clip_ranker.errors import NotAnImageError

RECIPE = 2
"""Raised when the pixels of any file change: it goes into the keys of embeddings."""
BAND_PX = 256
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture of that EXIF orientation upright."""


class Picture(NamedTuple):
    """Upright; RGB, or CMYK where a profile makes sRGB of it. ``to_srgb`` is None for sRGB."""

    image: Image.Image
    to_srgb: ToSrgb | None


def decode(data: bytes, *, max_pixels: int) -> Image.Image:
    """Decodes the first frame, turns it upright and makes it sRGB.

    Raises:
        NotAnImageError: the bytes are no supported or no whole picture.
        TooLargeError: the header claims more than ``max_pixels``; nothing was decoded.
        MemoryError: there is not enough.
    """
    image, convert = load(read_header(data, max_pixels=max_pixels))
    return convert(image) if convert else image


def load(opened: Opened) -> Picture:
    """Decodes an opened file and turns it upright. Raises as ``decode``."""
    image, canvas = opened.image, opened.canvas
    box = (*opened.place, opened.place[0] + image.width, opened.place[1] + image.height)
    if image.format == "GIF" and isinstance(image, ImageFile.ImageFile):
        box = image.tile[0].extents or box
    image = _decoded(opened)
    turn = TURNS.get(_orientation(image))
    convert = to_srgb(opened.profile, image.mode)
    if image.mode != "CMYK" or convert is None:
        image = _instead(image, _to_rgb(image))
    if box != (0, 0, *canvas):
        white = Image.new("RGB", canvas, "white")
        white.paste(image if image.size != canvas else image.crop(box), box[:2])
        image = _instead(image, white)
    if turn is not None:
        image = _instead(image, image.transpose(turn))
    return Picture(image, convert)


def _instead(old: Image.Image, new: Image.Image) -> Image.Image:
    """The new one; the old one is closed, as the caller still holds it and it may be 200 MB."""
    if new is not old:
        old.close()
    return new


def _decoded(opened: Opened) -> Image.Image:
    """The first frame, if nearly all of it is there."""
    image, kind = opened.image, opened.image.format
    missing = 0.0
    try:
        try:
            image.load()
            if cut_short.ends_in_grey(image):
                missing = cut_short.jpeg_missing(image, opened.file)
        except OSError:  # cut short, perhaps by a little
            if kind not in cut_short.READ_IN_PART:
                raise
            image.close()
            jpeg = opened.file.startswith(JPEG_START)
            file = cut_short.with_end(opened.file) if jpeg else opened.file
            if kind == "GIF":
                file = cut_short.with_last_block(file)
            image = open_file(Stream(file), image.width * image.height)
            with nullcontext() if jpeg else _lenient():
                image.load()
            if jpeg:
                missing = cut_short.jpeg_missing(image, file)
            elif kind == "PNG":
                missing = cut_short.png_missing(file)
            elif kind == "GIF":
                with _lenient():
                    missing = cut_short.gif_missing(image, file)
            else:
                missing = cut_short.bmp_missing(image, file)
    except (MemoryError, NotAnImageError):
        raise
    except Exception as error:  # Pillow's decoders raise most of what Python has
        raise NotAnImageError("file_damaged", format=str(kind)) from error
    if missing > cut_short.MOST_MISSING:
        raise NotAnImageError("file_incomplete", format=str(kind))
    return image


@contextmanager
def _lenient() -> Iterator[None]:
    """Has Pillow decode what there is. For all threads, so nowhere but in a process for it."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _orientation(image: Image.Image) -> int:
    """By EXIF alone: ``getexif`` would take XMP's, which browsers do not."""
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        return int(exif.get(ExifTags.Base.Orientation, 1))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 the picture is fine, only its EXIF block is not
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: alpha composed onto white, 16-bit grey by its high byte."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # I;16 and kin: convert() would clip at 255, not scale
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getbbox():
        return image.convert("RGB")  # programs that know of no alpha leave zeros there
    if not image.has_transparency_data:
        return image.convert("RGB")
    # By bands: whole copies of a large picture would be the most memory this service takes.
    white = Image.new("RGB", image.size, "white")
    for top in range(0, image.height, BAND_PX):
        band = image.crop((0, top, image.width, min(top + BAND_PX, image.height))).convert("RGBA")
        white.paste(band, (0, top), band)
    return white
