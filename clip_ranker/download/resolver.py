"""Name look-up by the system's resolver, which knows no deadline of its own."""

import asyncio
import math
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import anyio.to_thread
import httpcore

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP literals; none when the name does not exist."""

MOST_LOOK_UPS = 128
"""Twice the downloads at once: a look-up that hangs outlives the attempt it was for."""
NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})
"""Other errors tell of this machine or its name servers, EAI_FAIL of one that refuses."""
GLIBC_OPTIONS = "timeout:1 attempts:2"
"""Else a server that never answers holds a thread for 10 s, long after its download gave up."""


class SystemResolver:
    """``getaddrinfo`` in threads of its own: one that hangs must not stop others.

    Who asks for a name that is being looked up shares the answer, so that fifty thumbnails of
    one host are one look-up. What nobody asks for any more when its turn comes is left out.

    Args:
        most_at_once: look-ups in threads; the others wait in the order of arrival.
    """

    def __init__(self, most_at_once: int = MOST_LOOK_UPS) -> None:
        os.environ.setdefault("RES_OPTIONS", GLIBC_OPTIONS)
        self._places = asyncio.Semaphore(most_at_once)
        self._threads = anyio.CapacityLimiter(math.inf)  # the places are the limit
        self._under_way: dict[str, asyncio.Task[Sequence[str]]] = {}
        self._askers: Counter[str] = Counter()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses of a host, in the system's order of preference.

        Raises:
            httpcore.ConnectError: it cannot be told at the moment.
            httpcore.PoolTimeout: the system gives no thread to look it up.
        """
        if host not in self._under_way:
            lookup = asyncio.create_task(self._look_up(host, port))
            # Nobody may be left to see how it failed, and what nobody sees is logged.
            lookup.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._under_way[host] = lookup
        self._askers[host] += 1
        try:
            return await asyncio.shield(self._under_way[host])
        finally:
            self._askers -= Counter([host])  # forgets names that nobody asks for

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        try:
            async with self._places:
                if host not in self._askers:
                    return []
                return await anyio.to_thread.run_sync(_addresses, host, port, limiter=self._threads)
        except RuntimeError as error:
            raise httpcore.PoolTimeout("no thread for a name look-up") from error
        finally:
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
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
