"""PNG files reduced to what makes the picture, before a decoder looks (W3C PNG, 3rd edition).

Comments go, whatever they unfold to, and so does what is damaged and not needed; of an animation
the first frame stays. Colour is read here, as Pillow reads no cICP.
"""

import zlib
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from clip_ranker.decode import icc
from clip_ranker.decode.colours import MAX_PROFILE_BYTES
from clip_ranker.errors import NotAnImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 20_000
"""Honest files have one in 8 KB."""
NEEDED = (b"IHDR", b"PLTE")
KEPT_IF_SOUND = (b"tRNS", b"eXIf")
COLOUR = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
NEAR_GAMMA, NEAR_POINT = 0.05, 0.005
"""How far from sRGB's a gamma and a chromaticity are taken for it; the former is libpng's."""
FRAME = Struct(">4xIIII")


class Png(NamedTuple):
    """A reduced file, the ICC profile of its colours, and where on its canvas it goes."""

    file: bytes
    profile: bytes | None
    canvas: tuple[int, int]
    place: tuple[int, int]


class _Chunk(NamedTuple):
    kind: bytes
    body: memoryview
    whole: memoryview

    @property
    def sound(self) -> bool:
        return zlib.crc32(self.body, zlib.crc32(self.kind)) == int.from_bytes(self.whole[-4:])


def reduce(data: bytes) -> Png:
    """The first frame of a file.

    Raises:
        NotAnImageError: it has very many chunks, or none that is whole.
    """
    head: list[bytes] = []
    colour: dict[bytes, bytes] = {}
    still: list[memoryview] = []
    moving: list[memoryview] = []
    controls: list[bytes] = []
    animated = False
    for chunk in _chunks(data):
        if chunk.kind == b"IDAT":
            still.append(chunk.body)
        elif chunk.kind in NEEDED or (chunk.kind in KEPT_IF_SOUND and chunk.sound):
            head.append(bytes(chunk.whole))
        elif chunk.kind in COLOUR and not still and chunk.sound:
            colour[chunk.kind] = bytes(chunk.body)
        elif chunk.kind == b"acTL":
            animated = not still
        elif chunk.kind == b"fcTL" and len(chunk.body) >= FRAME.size:
            # In front of the picture it says that this is the first frame.
            controls.append(bytes(chunk.body) if still else b"")
        elif chunk.kind == b"fdAT" and len(controls) == 1:
            moving.append(chunk.body[4:])
    if not head or head[0][4:8] != b"IHDR" or len(head[0]) != 25:
        raise NotAnImageError("file_damaged", format="PNG")
    header = head[0]
    canvas = int.from_bytes(header[8:12]), int.from_bytes(header[12:16])
    place = (0, 0)
    if animated and moving and controls[0]:
        width, height, left, top = FRAME.unpack_from(controls[0])
        place = left, top
        if left + width > canvas[0] or top + height > canvas[1]:
            raise NotAnImageError("file_frame")
        header = _pack(b"IHDR", controls[0][4:12] + header[16:21])
        still = moving
    parts = (SIGNATURE, header, *head[1:], _pack(b"IDAT", *still), _pack(b"IEND"))
    return Png(b"".join(parts), _profile(colour), canvas, place)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Up to the end or to what is none; the last may be cut short."""
    view, at = memoryview(data), len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        kind, start = bytes(view[at + 4 : at + 8]), at + 8
        if not kind.isalpha() or len(kind) < 4 or kind == b"IEND":
            return
        at = start + int.from_bytes(view[at : at + 4]) + 4
        yield _Chunk(kind, view[start : at - 4], view[start - 8 : at])
    raise NotAnImageError("file_parts")


def _pack(kind: bytes, *bodies: bytes | memoryview) -> bytes:
    """A chunk. The checksum of IDAT is not looked at and costs too much to make."""
    body = b"".join(bodies)
    checksum = 0 if kind == b"IDAT" else zlib.crc32(body, zlib.crc32(kind))
    return b"".join((len(body).to_bytes(4), kind, body, checksum.to_bytes(4)))


def _profile(colour: dict[bytes, bytes]) -> bytes | None:
    """ICC profile of the chunk that counts, by rank; as browsers do, cHRM only beside gAMA."""
    codes = colour.get(b"cICP", b"")
    if len(codes) == 4 and (profile := icc.of_codes(codes[0], codes[1])):
        return profile
    if b"iCCP" in colour and (profile := _unpacked(colour[b"iCCP"])):
        return profile
    number = colour.get(b"gAMA", b"")
    gamma = int.from_bytes(number) / 100_000 if len(number) == 4 else 0
    if b"sRGB" in colour or not 0.05 < gamma < 20:
        return None
    points = icc.SRGB
    if len(numbers := colour.get(b"cHRM", b"")) == 32:
        found = [int.from_bytes(numbers[at : at + 4]) / 100_000 for at in range(0, 32, 4)]
        if any(abs(one - of_srgb) > NEAR_POINT for one, of_srgb in zip(found, points, strict=True)):
            points = tuple(found)
    if abs(gamma * 2.2 - 1) < NEAR_GAMMA:
        return None if points == icc.SRGB else icc.of_numbers(points, None)
    return icc.of_numbers(points, 1 / gamma)


def _unpacked(iccp: bytes) -> bytes | None:
    """The profile in an iCCP chunk, behind its name and a zero for the way it is packed."""
    _, _, packed = iccp.partition(b"\0")
    try:
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if unpacker.eof else None
