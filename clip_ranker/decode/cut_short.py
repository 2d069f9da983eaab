"""How much of a picture is missing where its file ends too early."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageChops, ImageFile

MOST_MISSING = 0.1
"""Of the picture; less is shown by browsers, too, and changes little."""
END_OF_IMAGE = b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"
BLOCK_PX = 16
"""A JPEG file is decoded in blocks of so many rows and columns at most."""
READ_IN_PART = ("JPEG", "MPO", "PNG", "GIF", "BMP")
GREY = {127, 128}
"""In each channel of what is missing."""
LEAST_BITS = {"L": 2, "RGB": 3, "CMYK": 5}
"""Of 64 pixels of one colour: two a channel, less for what is stored at half the size."""
FEWER_BYTES = (4, 32, 256, 2048, 16_384)
PIECE_BYTES = 4096
"""Unpacks to 4 MB at most."""
OLD_BMP_HEADER = 12
"""Its bytes, OS/2's."""
BMP_RUN_LENGTHS = (1, 2)
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
WHOLE = ((0, 0, 1, 1),)
ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)
"""First column and row, and steps in both, of each pass."""


def with_end(jpeg: bytes) -> bytes:
    """The same file with an end, for a decoder that makes grey of what is missing."""
    return jpeg.rstrip(b"\xff") + END_OF_IMAGE


def with_last_block(gif: bytes) -> bytes:
    """The same file with its last block as long as it is: a decoder leaves out what is cut."""
    header = Image.open(io.BytesIO(gif), formats=("GIF",))
    assert isinstance(header, ImageFile.ImageFile)
    at = header.tile[0].offset
    while at < len(gif) and gif[at] and at + gif[at] < len(gif):
        at += gif[at] + 1
    if at >= len(gif) or not gif[at]:
        return gif
    return gif[:at] + bytes([len(gif) - at - 1]) + gif[at + 1 :]


def ends_in_grey(picture: Image.Image) -> bool:
    """Whether a JPEG file's picture may end early although the file has an end."""
    if picture.format not in ("JPEG", "MPO") or picture.mode not in LEAST_BITS:
        return False
    width, height = picture.size
    corners = [picture.crop((x, height - 1, x + 1, height)).tobytes() for x in (0, width - 1)]
    return GREY.issuperset(b"".join(corners))


def jpeg_missing(picture: Image.Image, file: bytes) -> float:
    """Part of the picture that is missing, 0 to 1.

    What is missing is grey. Where it begins a file of a few bytes less looks different; grey that
    was there takes bytes, too.

    Args:
        picture: decoded from the file.
        file: with an end.
    """
    stream = io.BytesIO(file)
    Image.open(stream, formats=("JPEG",))  # up to the first scan
    first = file.rfind(START_OF_SCAN, 0, stream.tell())
    bare = file[: file.index(END_OF_IMAGE, first)]
    last = bare.rfind(START_OF_SCAN)
    if not _all_scans_begun(bare, first, len(picture.getbands())):
        return 1.0
    if last != first:  # each scan began: it is blurred at worst
        return 0.0
    size_px, bits = picture.width * picture.height, LEAST_BITS[picture.mode]
    for fewer in FEWER_BYTES:
        if len(bare) - fewer < last + BLOCK_PX:
            break
        shorter = Image.open(io.BytesIO(bare[:-fewer] + END_OF_IMAGE), formats=("JPEG",))
        shorter.load()
        if end := _last_difference(picture, shorter):
            right, top, bottom = end
            there_px = picture.width * top + right * (bottom - top)
            missing_px = size_px - there_px
            return 0.0 if 8 * fewer > bits * missing_px / 64 else missing_px / size_px
    return 0.0 if 8 * (len(bare) - last) > bits * size_px / 64 else 1.0


def _all_scans_begun(file: bytes, at: int, components: int) -> bool:
    """Whether there is a last bit of each of the 64 coefficients (ITU-T T.81, B.2.3)."""
    known = set[tuple[int, int]]()
    while at >= 0:
        count = file[at + 4] if at + 4 < len(file) else 0
        ids, rest = file[at + 5 : at + 5 + 2 * count : 2], file[at + 5 + 2 * count :][:3]
        if len(rest) == 3 and not rest[2] & 15:
            known |= {(one, place) for one in ids for place in range(rest[0], rest[1] + 1)}
        at = file.find(START_OF_SCAN, at + 2)
    return len(known) >= 64 * components


def _last_difference(one: Image.Image, other: Image.Image) -> tuple[int, int, int] | None:
    """Right end, top and bottom of the last block that differs."""
    width, height = one.size
    for top in range((height - 1) // BLOCK_PX * BLOCK_PX, -1, -BLOCK_PX):
        box = (0, top, width, min(top + BLOCK_PX, height))
        if found := ImageChops.difference(one.crop(box), other.crop(box)).getbbox():
            return min(width, -(-found[2] // BLOCK_PX) * BLOCK_PX), top, box[3]
    return None


def png_missing(file: bytes) -> float:
    """Part of the pixels that is missing, 0 to 1, in a PNG file with one IDAT chunk."""
    width, height = int.from_bytes(file[16:20]), int.from_bytes(file[20:24])
    bits = file[24] * PNG_CHANNELS.get(file[25], 0)
    expected = 0
    for left, top, step_x, step_y in ADAM7 if file[28] else WHOLE:
        columns, rows = -(-(width - left) // step_x), -(-(height - top) // step_y)
        if columns > 0 and rows > 0:
            expected += rows * (1 + (columns * bits + 7) // 8)
    unpacker, count, step = zlib.decompressobj(), 0, PIECE_BYTES
    at, end = file.index(b"IDAT") + 4, len(file) - 16
    while at < end and count < expected:
        before = unpacker.copy()
        try:
            count += len(unpacker.decompress(file[at : min(at + step, end)]))
            at += step
        except zlib.error:
            if step == 1:
                break
            unpacker, step = before, 1  # once more, up to the byte that is wrong
    return max(0.0, 1 - count / expected)


def gif_missing(picture: Image.Image, file: bytes) -> float:
    """Part of the first frame that is missing, 0 to 1: it takes the colour it is drawn upon."""
    header = Image.open(io.BytesIO(file), formats=("GIF",))
    assert isinstance(header, ImageFile.ImageFile)
    box = header.tile[0].extents or (0, 0, *header.size)
    size = struct.pack("<4H", *box[:2], box[2] - box[0], box[3] - box[1])
    at = file.rindex(b"," + size, 0, header.tile[0].offset)
    upon = 0 if picture.info.get("transparency", 0) else 255
    control = b"!\xf9\4\1\0\0" + bytes([upon, 0])
    other = Image.open(io.BytesIO(file[:at] + control + file[at:]), formats=("GIF",))
    other.load()
    pair = [np.asarray(one)[box[1] : box[3], box[0] : box[2]] for one in (picture, other)]
    return float((pair[0] != pair[1]).mean())


def bmp_missing(picture: Image.Image, file: bytes) -> float:
    """Part of the rows that is missing, 0 to 1; of run lengths, in which nothing was drawn."""
    old = file[14] == OLD_BMP_HEADER
    bits = int.from_bytes(file[24:26] if old else file[28:30], "little")
    if not old and file[30] in BMP_RUN_LENGTHS:
        return float((~np.asarray(picture).astype(bool)).all(axis=1).mean())
    expected = (picture.width * bits + 31) // 32 * 4 * picture.height
    return max(0.0, 1 - (len(file) - int.from_bytes(file[10:14], "little")) / expected)
