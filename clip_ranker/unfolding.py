"""Unfolds gzip and deflate in steps of bounded size, for readers that count what comes out."""

import zlib
from collections.abc import Iterator

STEP_BYTES = 262_144
"""In one step: a millisecond or less."""
GZIP_OR_ZLIB, NO_HEADER = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


class Unfolding:
    """One stream of gzip, of zlib, or of what some call deflate, which has no header.

    Attributes:
        rest: what follows its end.
    """

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None
        self.rest = b""

    @property
    def ended(self) -> bool:
        """Whether its end was there."""
        return self._stream is not None and self._stream.eof

    def unfold(self, data: bytes | bytearray) -> Iterator[bytes]:
        """What the next piece unfolds to, ``STEP_BYTES`` at most in a step.

        Raises:
            zlib.error: it is no such stream, or broken.
        """
        if self._stream is None and data:
            self._stream = zlib.decompressobj(GZIP_OR_ZLIB if has_header(data) else NO_HEADER)
        for at in range(0, len(data), STEP_BYTES):
            assert self._stream is not None
            piece, out = bytes(data[at : at + STEP_BYTES]), b""
            while not self._stream.eof and (piece or len(out) == STEP_BYTES):
                out = self._stream.decompress(piece, STEP_BYTES)
                piece = self._stream.unconsumed_tail
                yield out
            if self._stream.eof:
                self.rest = self._stream.unused_data + data[at + STEP_BYTES :]
                return


def has_header(data: bytes | bytearray) -> bool:
    """Of gzip (RFC 1952) or zlib (RFC 1950, section 2.2): no other stream begins with that byte."""
    return data[0] == 0x1F or data[0] & 0x0F == zlib.DEFLATED
