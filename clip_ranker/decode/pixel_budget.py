"""Bounds the memory that decoding takes, whatever is decoded at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PixelBudget:
    """So many pixels may be decoded at once in all threads together, first come first served.

    Thumbnails never wait; a picture as large as the whole budget is decoded alone.

    Args:
        pixels: at least as many as the largest picture has.
    """

    def __init__(self, pixels: int) -> None:
        self._free = pixels
        self._first_in_line = threading.Lock()
        self._freed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Waits until so many pixels are free, and keeps them until the block ends."""
        with self._first_in_line, self._freed:
            self._freed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._freed:
                self._free += pixels
                self._freed.notify()
