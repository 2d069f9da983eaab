"""Bodies that come compressed although nobody asked."""

import zlib
from collections.abc import Iterator

from clip_ranker.errors import DownloadFailedError
from clip_ranker.unfolding import Unfolding

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


def unfolded(stream: Unfolding, data: bytes) -> Iterator[bytes]:
    """What the next piece unfolds to, in steps; what follows the end is left out.

    Raises:
        DownloadFailedError: it is not compressed so, or broken.
    """
    if stream.ended:
        return
    try:
        yield from stream.unfold(data)
    except zlib.error as error:
        raise DownloadFailedError("compressed_broken") from error
