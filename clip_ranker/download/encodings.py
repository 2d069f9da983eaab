"""Bodies that come compressed although nobody asked, unfolded under a limit of what comes out."""

import zlib
from collections.abc import Iterator

from clip_ranker.errors import DownloadFailedError

STEP_BYTES = 262_144
"""In one step: a millisecond or less."""
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
NO_HEADER = -zlib.MAX_WBITS
"""What some servers call deflate."""
UNFOLDED = frozenset({"gzip", "x-gzip", "deflate"})
NOT_READ = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
"""Others are no encodings, such as ``binary`` or ``aws-chunked``: browsers leave them out, too."""


def is_compressed(content_encoding: str) -> bool:
    """Whether a body has to be unfolded.

    Args:
        content_encoding: the header's value, in which commas separate several.

    Raises:
        DownloadFailedError: that is not done with this encoding, or not several times.
    """
    names = [name.strip().lower() for name in content_encoding.split(",")]
    compressed = [name for name in names if name in UNFOLDED | NOT_READ]
    if len(compressed) > 1:
        raise DownloadFailedError("compressed_twice")
    if compressed and compressed[0] in NOT_READ:
        raise DownloadFailedError("compressed_unasked", encoding=compressed[0])
    return bool(compressed)


class Unfolding:
    """A gzip or deflate stream; what follows its end is left out, and the end may be missing."""

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None

    def unfold(self, data: bytes) -> Iterator[bytes]:
        """What the next piece unfolds to, in steps.

        Raises:
            DownloadFailedError: it is not compressed so, or broken.
        """
        if self._stream is None:
            self._stream = zlib.decompressobj(GZIP_OR_ZLIB if _has_header(data) else NO_HEADER)
        while data and not self._stream.eof:
            try:
                yield self._stream.decompress(data, STEP_BYTES)
            except zlib.error as error:
                raise DownloadFailedError("compressed_broken") from error
            data = self._stream.unconsumed_tail


def _has_header(data: bytes) -> bool:
    """Of gzip (RFC 1952) or zlib (RFC 1950, section 2.2), as far as the first byte tells."""
    return data[0] == 0x1F or data[0] & 0x0F == zlib.DEFLATED
