"""A picture file's header: what it is, how large, in which colours. Nothing is decoded here."""

import io
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import pillow_heif

# These alone: looking for a format would load all forty that Pillow knows.
from PIL import AvifImagePlugin, Image, WebPImagePlugin  # noqa: F401

from clip_ranker.decode import icc, kinds, png
from clip_ranker.errors import NotAnImageError, TooLargeError

pillow_heif.register_heif_opener(
    decode_threads=2, thumbnails=False, depth_images=False, aux_images=False
)
# The limit is ours (``max_pixels``), lower, and checked before a pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", module="PIL")  # about damaged files, which are the norm here

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP")
JPEG_START = b"\xff\xd8"
SCAN = re.compile(rb"\xff\xda\0(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
"""Its start, of one to four components; other lengths are refused. What is behind the picture or in
a comment has hardly any of these, but many of the two bytes alone."""
MAX_SCANS = 64
"""Of a JPEG file; a progressive one has about ten. Each may be a dozen bytes and cost a pass over
the whole picture."""
MAX_SIDE_PX = 65_535
"""As JPEG has it; other formats can claim a line of 50 megapixels."""
MAX_READS = 50_000
"""Of a file by Pillow's parsers, which are Python: each segment, chunk or fill byte takes one to
three. Honest files take some hundreds; a file of 10 MB can hold millions, for seconds of work."""
READS_PER_PIXEL = 2
"""More of a BMP file of run lengths, up to a megapixel: that takes some seconds at most."""
ISPE = re.compile(rb"\0\0\0\x14ispe\0{4}(.{4})(.{4})", re.DOTALL)
NCLX = re.compile(rb"colrnclx\0(.)\0(.)", re.DOTALL)


class Stream(io.BytesIO):
    """A file that counts how often it is read. Raises NotAnImageError after ``most_reads``."""

    most_reads = MAX_READS
    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > self.most_reads:
            raise NotAnImageError("file_parts")
        return super().read(size)


class Opened(NamedTuple):
    """A file whose header was read: its first frame, and where that goes on the canvas."""

    image: Image.Image
    file: bytes
    profile: bytes | None
    canvas: tuple[int, int]
    place: tuple[int, int] = (0, 0)


def read_header(data: bytes, *, max_pixels: int) -> Opened:
    """Opens a file.

    Raises:
        NotAnImageError: the bytes are no supported picture.
        TooLargeError: the header claims more than ``max_pixels``, or a side too long.
    """
    if not data:
        raise NotAnImageError("file_empty")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        _check(_webp_size(data), max_pixels)  # opening it takes 8 bytes a pixel already
        data = _with_transparency(data)
    if data.startswith(png.SIGNATURE):
        reduced = png.reduce(data)
        _check(reduced.canvas, max_pixels)
        image = open_file(Stream(reduced.file), max_pixels)
        return Opened(image, *reduced)
    image = open_file(Stream(data), max_pixels)
    _check(image.size, max_pixels)
    # Pillow calls some JPEG files MPO.
    if data.startswith(JPEG_START) and len(SCAN.findall(data)) > MAX_SCANS:
        raise NotAnImageError("file_scans")
    return Opened(image, data, _profile(image, data), image.size)


def open_file(stream: Stream, max_pixels: int) -> Image.Image:
    """What Pillow makes of it. Raises as ``read_header``."""
    try:
        image = Image.open(stream, formats=FORMATS)
    except (MemoryError, NotAnImageError):
        raise
    except Exception as error:  # Pillow's parsers raise most of what Python has on hostile bytes
        data = stream.getvalue()
        for size in _boxed_sizes(data):  # libavif and libheif have limits of their own
            _check(size, max_pixels)
        raise kinds.explain(data) from error
    if image.format == "BMP":  # read one by one where it is packed
        stream.most_reads = MAX_READS + READS_PER_PIXEL * min(image.width * image.height, 1_000_000)
    return image


def _check(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooLargeError("pixels", width=width, height=height, most=max_pixels)
    if max(size) > MAX_SIDE_PX:
        raise TooLargeError("side", width=width, height=height, most=MAX_SIDE_PX)


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


def _with_transparency(webp: bytes) -> bytes:
    """The same, if animated with the flag for alpha: else what no frame covers would be black."""
    if webp[12:16] == b"VP8X" and webp[20] & 0x02:
        return webp[:20] + bytes([webp[20] | 0x10]) + webp[21:]
    return webp


def _boxed_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """What the pictures in a HEIC or AVIF file claim (ISO/IEC 23008-12, 6.5.3)."""
    if data[4:8] == b"ftyp":
        for found in ISPE.finditer(data):
            yield int.from_bytes(found[1]), int.from_bytes(found[2])


def _profile(image: Image.Image, data: bytes) -> bytes | None:
    """ICC profile of a file, or of the code points that HEIC and AVIF may have in its place."""
    profile: bytes | None = image.info.get("icc_profile")
    if profile is None and (codes := image.info.get("nclx_profile")):
        return icc.of_codes(codes["color_primaries"], codes["transfer_characteristics"])
    if profile is None and image.format == "AVIF" and (found := NCLX.search(data)):
        return icc.of_codes(found[1][0], found[2][0])
    return profile
