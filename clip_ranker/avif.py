"""How large the AV1 pictures inside an AVIF file really are.

The container claims a size and the AV1 stream inside it has one of its own. Pillow reports the
claim; libavif decodes the stream whatever its size is and scales it to the claim: 2 KB that claim
120x80 can decode to 268 million pixels. Box layouts are those of ISO/IEC 14496-12 and 23008-12,
the sequence header is that of section 5.5.1 of the AV1 specification.
"""

from collections.abc import Iterator

HEAD_BYTES = {b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"meta": 4}
"""Boxes that hold boxes, and what stands before those; ``iinf`` depends on its version."""
SEQUENCE_HEADER = 1
"""Type of the open bitstream unit (OBU) that tells the size."""


def coded_pixels(data: bytes) -> int:
    """Pixels of the largest AV1 picture that decoding the first frame can meet.

    Raises:
        ValueError: a structure that no usual encoder writes.
    """
    boxes = list(_boxes(data))
    in_idat = next((body for kind, body in boxes if kind == b"idat"), b"")
    av1 = {_item_id(body) for kind, body in boxes if kind == b"infe" and b"av01" in body}
    offsets = [_first_offset(kind, body) for kind, body in boxes if kind in (b"stco", b"co64")]
    sizes = [max(_ints(body, 1, 3)[0::2]) for kind, body in boxes if kind == b"stsz"]
    streams = [data[offset : offset + max(sizes, default=0)] for offset in offsets]
    for body in (body for kind, body in boxes if kind == b"iloc"):
        streams += [stream for item, stream in _items(body, data, in_idat) if item in av1]
    return max(map(_largest, streams), default=0)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4]), 8
        kind = data[at + 4 : at + 8]
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        if size == 0:
            size = len(data) - at
        if size < head:
            raise ValueError("a box is shorter than its head")
        body = data[at + head : at + size]
        yield kind, body
        if kind in HEAD_BYTES:
            yield from _boxes(body[HEAD_BYTES[kind] :])
        elif kind == b"iinf":
            yield from _boxes(body[6 if body[:1] == b"\0" else 8 :])
        at += size


def _ints(body: bytes, first: int, last: int) -> list[int]:
    """32-bit words ``first`` to ``last`` of a box."""
    return [int.from_bytes(body[4 * n : 4 * n + 4]) for n in range(first, last + 1)]


def _first_offset(kind: bytes, body: bytes) -> int:
    return int.from_bytes(body[8 : 16 if kind == b"co64" else 12])


def _item_id(infe: bytes) -> int:
    return int.from_bytes(infe[4 : 8 if infe[0] > 2 else 6])


def _items(iloc: bytes, file: bytes, idat: bytes) -> Iterator[tuple[int, bytes]]:
    """Id and data of every item; extents outside the file are cut, as a short file's are."""
    version = iloc[0]
    offset_size, length_size = iloc[4] >> 4, iloc[4] & 15
    base_size, index_size = iloc[5] >> 4, iloc[5] & 15 if version else 0
    at = 6

    def take(size: int) -> int:
        nonlocal at
        at += size
        if at > len(iloc):
            raise ValueError("the list of items ends early")
        return int.from_bytes(iloc[at - size : at])

    wide = 4 if version > 1 else 2
    for _ in range(take(wide)):
        item = take(wide)
        source = (file, idat)[take(2) & 1] if version else file
        take(2)
        base = take(base_size)
        data = b""
        for _ in range(take(2)):
            take(index_size)
            start = base + take(offset_size)
            length = take(length_size)
            data += source[start : start + length if length else None]
        yield item, data


def _largest(stream: bytes) -> int:
    """Pixels by the largest sequence header in a stream of OBUs; one cut short ends it."""
    at, largest = 0, 0
    while at < len(stream):
        head = stream[at]
        at += 2 if head & 4 else 1  # with an extension byte
        size = len(stream) - at
        if head & 2:  # has a size, little-endian in groups of 7 bits
            size = shift = 0
            for byte in stream[at : at + 8]:
                at += 1
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
        if head >> 3 & 15 == SEQUENCE_HEADER:
            largest = max(largest, _pixels(stream[at : at + size]))
        at += size
    return largest


def _pixels(header: bytes) -> int:
    """Most pixels of a frame, out of a sequence header."""
    bits = int.from_bytes(header)
    left = 8 * len(header)

    def take(count: int) -> int:
        nonlocal left
        left -= count
        if left < 0:
            raise ValueError("the sequence header ends early")
        return bits >> left & ((1 << count) - 1)

    take(4)  # profile, still_picture
    if take(1):  # reduced_still_picture_header
        take(5)
    else:
        if take(1):
            raise ValueError("timing_info, which pictures do not have")
        has_delay = take(1)
        for _ in range(take(5) + 1):  # operating points
            take(12)
            take(1 if take(5) > 7 else 0)
            take(4 if has_delay and take(1) else 0)
    width_bits, height_bits = take(4) + 1, take(4) + 1
    return (take(width_bits) + 1) * (take(height_bits) + 1)
