"""Name look-up by the system's resolver, which knows no deadline of its own."""

import asyncio
import math
import os
import socket
from collections.abc import Awaitable, Callable, Sequence

import anyio.to_thread
import httpcore

from clip_ranker.download.attempt import CURRENT, Attempt
from clip_ranker.download.hosts import Asker
from clip_ranker.fair_queue import Picture
from clip_ranker.places import Places

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP literals; none when the name does not exist."""

MOST_LOOK_UPS = 128
"""That somebody waits for; twice the downloads at once."""
MOST_THREADS = 512
"""With those that nobody waits for any more: a thread in ``getaddrinfo`` cannot be ended. One that
hangs takes 25 KB and an open file, and counts towards ``pids_limit`` of the container."""
NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})
"""Other errors tell of this machine or its name servers, EAI_FAIL of one that refuses."""
GLIBC_OPTIONS = "timeout:1 attempts:2"
"""Else a server that never answers holds a thread for 10 s, long after its download gave up."""


class _LookUp(Picture):
    """A name being looked up, for all who ask for it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.task: asyncio.Task[Sequence[str]]


class SystemResolver:
    """``getaddrinfo`` in threads of its own: one that hangs must not stop others.

    Who asks for a name that is being looked up shares the answer, so that fifty thumbnails of
    one host are one look-up. The others wait in a fair queue by request, outside of the time of
    their downloads; what nobody asks for any more leaves it, or holds no place if it has begun.

    Args:
        most_at_once: look-ups that somebody waits for.
        most_threads: look-ups in all.
    """

    def __init__(self, most_at_once: int = MOST_LOOK_UPS, most_threads: int = MOST_THREADS) -> None:
        os.environ.setdefault("RES_OPTIONS", GLIBC_OPTIONS)
        self._places = Places(most_at_once, lambda _: len(self._places.held) < most_threads)
        self._threads = anyio.CapacityLimiter(math.inf)  # the places are the limit
        self._under_way: dict[str, _LookUp] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses of a host, in the system's order of preference.

        Raises:
            httpcore.ConnectError: it cannot be told at the moment.
            httpcore.PoolTimeout: the system gives no thread to look it up.
        """
        attempt = CURRENT.get(None) or Attempt((Asker(),), anyio.CancelScope())
        look_up = self._under_way.get(host) or self._begin(host, port)
        for asker in attempt.askers:
            look_up.want(asker)
        try:
            await attempt.wait_outside(look_up.begun.wait())
            return await asyncio.shield(look_up.task)
        finally:
            for asker in attempt.askers:
                look_up.unwant(asker)
            if not look_up.wanted_by:
                self._abandon(host, look_up)
            elif not look_up.live:  # a prefetch still asks, but holds nobody up
                self._places.hand_out()

    def _begin(self, host: str, port: int) -> _LookUp:
        look_up = self._under_way[host] = _LookUp()
        look_up.task = asyncio.create_task(self._look_up(host, port, look_up))
        # Nobody may be left to see how it failed, and what nobody sees is logged.
        look_up.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return look_up

    def _abandon(self, host: str, look_up: _LookUp) -> None:
        if look_up.begun.is_set():
            self._places.hand_out()
        elif self._under_way.get(host) is look_up:
            del self._under_way[host]  # nobody may join what is being cancelled
            look_up.task.cancel()

    async def _look_up(self, host: str, port: int, look_up: _LookUp) -> Sequence[str]:
        try:
            async with self._places.hold(look_up):
                look_up.begun.set()
                return await anyio.to_thread.run_sync(_addresses, host, port, limiter=self._threads)
        except RuntimeError as error:
            raise httpcore.PoolTimeout("no thread for a name look-up") from error
        finally:
            if self._under_way.get(host) is look_up:
                del self._under_way[host]


def _addresses(host: str, port: int) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        return []
    except socket.gaierror as error:
        if error.errno in NO_SUCH_NAME:
            return []
        raise httpcore.ConnectError("name look-up failed") from error
    except OSError as error:  # of this process, as no open file to ask with: no fault of the host's
        raise httpcore.PoolTimeout("no name look-up at the moment") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
