"""A picture file's bytes to upright RGB."""

import io
import re
import warnings
from collections.abc import Iterator

import numpy as np
import pillow_heif

# These alone: looking for a format would load all forty that Pillow knows.
from PIL import AvifImagePlugin, Image, ImageOps, WebPImagePlugin  # noqa: F401

from clip_ranker.errors import NotAnImageError, TooLargeError

pillow_heif.register_heif_opener(
    decode_threads=2, thumbnails=False, depth_images=False, aux_images=False
)
# The limit is ours (``max_pixels``), lower, and checked before a pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module="PIL")  # about damaged files, which are the norm here

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
JPEG_START = b"\xff\xd8"
START_OF_SCAN = b"\xff\xda"
MAX_SCANS = 64
"""Of a JPEG file; a progressive one has about ten. Each may be a dozen bytes and cost a pass over
the whole picture."""
MAX_SIDE_PX = 65_535
"""As JPEG has it; other formats can claim a line of 50 megapixels."""
MAX_READS = 50_000
"""Of a file by Pillow's parsers, which are Python: each segment, chunk or fill byte takes one to
three. Honest files take some hundreds; a file of 10 MB can hold millions, for seconds of work."""
ISPE = re.compile(rb"\0\0\0\x14ispe\0{4}(.{4})(.{4})", re.DOTALL)
BAND_PX = 256


class Stream(io.BytesIO):
    """A file that counts how often it is read. Raises NotAnImageError after ``MAX_READS``."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > MAX_READS:
            raise NotAnImageError("a file of so many parts is made to keep us busy")
        return super().read(size)


def decode(data: bytes, *, max_pixels: int) -> Image.Image:
    """Decodes the first frame, turns it upright and makes it RGB.

    Raises:
        NotAnImageError: the bytes are no supported or no whole picture.
        TooLargeError: the header claims more than ``max_pixels``; nothing was decoded.
        MemoryError: there is not enough.
    """
    return load(read_header(data, max_pixels=max_pixels))


def read_header(data: bytes, *, max_pixels: int) -> Image.Image:
    """Opens a file; decodes nothing. Raises as ``decode``."""
    if not data:
        raise NotAnImageError("the file is empty")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        _check(_webp_size(data), max_pixels)  # opening it takes 8 bytes a pixel already
    try:
        image = Image.open(Stream(data), formats=FORMATS)
    except (MemoryError, NotAnImageError):
        raise
    except Exception as error:  # Pillow's parsers raise most of what Python has on hostile bytes
        for size in _boxed_sizes(data):  # libavif and libheif have limits of their own
            _check(size, max_pixels)
        raise NotAnImageError(_what_is_it(data)) from error
    _check(image.size, max_pixels)
    # Pillow calls some JPEG files MPO.
    if data.startswith(JPEG_START) and data.count(START_OF_SCAN) > MAX_SCANS:
        raise NotAnImageError("a file of so many scans is made to keep us busy")
    return image


def _check(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooLargeError(f"{width}x{height} pixels, the limit is {max_pixels} in all")
    if max(size) > MAX_SIDE_PX:
        raise TooLargeError(f"{width}x{height} pixels, the limit is {MAX_SIDE_PX} a side")


def _webp_size(data: bytes) -> tuple[int, int]:
    """As the first chunk has it (RFC 9649, sections 2.5 to 2.7); 0x0 of what is none."""

    def number(start: int, end: int) -> int:
        return int.from_bytes(data[start:end], "little")

    match data[12:16]:
        case b"VP8X":
            return number(24, 27) + 1, number(27, 30) + 1
        case b"VP8L":
            return (number(21, 25) & 0x3FFF) + 1, (number(21, 25) >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return number(26, 28) & 0x3FFF, number(28, 30) & 0x3FFF
    return 0, 0


def _boxed_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """What the pictures in a HEIC or AVIF file claim (ISO/IEC 23008-12, 6.5.3)."""
    if data[4:8] == b"ftyp":
        for found in ISPE.finditer(data):
            yield int.from_bytes(found[1]), int.from_bytes(found[2])


def _what_is_it(data: bytes) -> str:
    start = data[:512].lstrip().lower()
    found = "something else, or damaged"
    if b"<svg" in start:
        found = "SVG"
    elif start.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        found = "a web page"
    elif start.startswith(b"gif8"):
        found = "GIF"
    elif start.startswith(b"%pdf"):
        found = "PDF"
    return f"not a JPEG, PNG, WebP, HEIC or AVIF picture: this is {found}"


def load(image: Image.Image) -> Image.Image:
    """Decodes an opened file, turns it upright and makes it RGB. Raises as ``decode``."""
    try:
        image.load()
    except (MemoryError, NotAnImageError):
        raise
    except Exception as error:
        raise NotAnImageError(f"the {image.format} file is damaged or cut short") from error
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 the picture is fine, only its EXIF block is not
        pass
    rgb = _to_rgb(image)
    if rgb is not image:
        image.close()  # the caller still holds it, and it may be 200 MB
    return rgb


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: alpha composed onto white, 16-bit grey by its high byte."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # I;16 and kin: convert() would clip at 255, not scale
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    # By bands: whole copies of a large picture would be the most memory this service takes.
    white = Image.new("RGB", image.size, "white")
    for top in range(0, image.height, BAND_PX):
        band = image.crop((0, top, image.width, min(top + BAND_PX, image.height))).convert("RGBA")
        white.paste(band, (0, top), band)
    return white
