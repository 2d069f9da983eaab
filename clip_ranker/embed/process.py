"""The embedder's process on this machine: whether it lives, and its end when it hangs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psutil

logger = logging.getLogger(__name__)

CANNOT_TELL = (OSError, psutil.Error)
"""Of a process that is away, hung, or cannot be looked at for want of an open file."""


class Process:
    """One process after the other; none until ``find``."""

    def __init__(self) -> None:
        self._found: psutil.Process | None = None

    def find(self, pid: int) -> None:
        """It is this one now; raises what is in ``CANNOT_TELL``."""
        self._found = psutil.Process(pid)

    @property
    def alive(self) -> bool:
        """Whether there is one, as far as can be told."""
        found = self._found
        try:
            return bool(found and found.status() != psutil.STATUS_ZOMBIE and found.is_running())
        except psutil.NoSuchProcess:
            return False
        except CANNOT_TELL:  # the next call will
            return True

    @asynccontextmanager
    async def killed_after(self, limit_s: float) -> AsyncIterator[None]:
        """Cuts the block off after so long, and kills the process that did not answer.

        Raises:
            TimeoutError: it was cut off.
        """
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            with suppress(*CANNOT_TELL):  # the watch tries again
                if self._found is not None and self._found.is_running():
                    logger.error("embedder: no answer in %.1f s, killing it", limit_s)
                    self._found.kill()
            raise
