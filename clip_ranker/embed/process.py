"""The embedder's process: whether it is alive, and its end when it hangs."""

import logging
from asyncio import timeout
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import psutil

logger = logging.getLogger(__name__)

AskPid = Callable[[], Awaitable[int]]
CANNOT_TELL = (OSError, psutil.Error)
"""Of a process that is away, hung, or cannot be looked at for want of an open file."""


class Process:
    """The embedder on this machine; one on another is not ours to look at or to kill.

    Args:
        ask_pid: asks it for its number; None if it is on another machine.
    """

    def __init__(self, ask_pid: AskPid | None) -> None:
        self._ask_pid = ask_pid
        self._process: psutil.Process | None = None

    async def find(self, limit_s: float) -> None:
        """Asks who it is; raises one of ``CANNOT_TELL`` if it does not say so in time."""
        if self._ask_pid is not None:
            async with self.killed_after(limit_s):
                self._process = psutil.Process(await self._ask_pid())

    def alive(self) -> bool:
        """Whether it is, as far as can be told."""
        if self._ask_pid is None:
            return True  # the next call will tell
        process = self._process
        try:
            return bool(
                process and process.status() != psutil.STATUS_ZOMBIE and process.is_running()
            )
        except psutil.NoSuchProcess:
            return False
        except CANNOT_TELL:  # the next call will
            return True

    @asynccontextmanager
    async def killed_after(self, limit_s: float) -> AsyncIterator[None]:
        """What takes longer raises TimeoutError, and the process is killed."""
        try:
            async with timeout(limit_s):
                yield
        except TimeoutError:
            with suppress(*CANNOT_TELL):  # the watch tries again
                if self._process is not None and self._process.is_running():
                    logger.error("embedder: no answer in %.1f s, killing it", limit_s)
                    self._process.kill()
            raise
