"""Makes glibc give memory back that decoding no longer needs.

By default it keeps one arena for each thread and raises the size from which a block is mapped to
that of the largest block ever freed: after the first large picture nothing returns to the system,
and the worst load takes a quarter more than what is alive at any time.
"""

import ctypes
import sys

M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
"""Of glibc's malloc.h, stable since 2.10."""
MAPPED_BYTES = 1_000_000
"""Above a decoded thumbnail, so that only what is rare and large pays for a system call."""


def give_back() -> None:
    """Call it before threads start. Without glibc this does nothing."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
