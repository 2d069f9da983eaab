"""The size of the pictures in an AV1 stream, out of its headers.

Section 5.5.1 of the AV1 specification describes the sequence header.
"""

from dataclasses import dataclass

SEQUENCE_HEADER = 1
"""Type of the open bitstream unit (OBU) that tells the size."""
MOST_UNITS = 10_000
"""In the streams of one file; a picture or a tile has a handful."""
MOST_HEADER_BYTES = 65_536
"""In the sequence headers of one file; one has a dozen."""
HEADER_BYTES = 256
"""More than the longest sequence header has."""


@dataclass
class Budget:
    """What reading the streams of one file may still take, however often it names them."""

    units: int = MOST_UNITS
    header_bytes: int = MOST_HEADER_BYTES

    def spend(self, *, units: int = 0, header_bytes: int = 0) -> None:
        """Takes from it.

        Raises:
            ValueError: there is not so much left.
        """
        self.units -= units
        self.header_bytes -= header_bytes
        if self.units < 0 or self.header_bytes < 0:
            raise ValueError("the streams come in crumbs")


def pixels(stream: memoryview, budget: Budget) -> int:
    """Pixels by the largest sequence header in a stream of OBUs; one cut short ends it.

    Args:
        stream: of OBUs.
        budget: of its file.

    Raises:
        ValueError: a header that no usual encoder writes, or none; or the budget is spent.
    """
    at = largest = 0
    while at < len(stream):
        budget.spend(units=1)
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
            header = bytes(stream[at : at + min(size, HEADER_BYTES)])
            budget.spend(header_bytes=len(header))
            largest = max(largest, _pixels(header))
        at += size
    if not largest:
        raise ValueError("the stream tells no size")
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
