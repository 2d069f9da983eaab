"""Name look-up by the system's resolver, which knows no deadline of its own."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpcore

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP literals; none when the name does not exist."""

NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})
"""Other errors tell of this machine or its name servers, EAI_FAIL of one that refuses."""
GLIBC_OPTIONS = "timeout:1 attempts:2"
"""Else a server that never answers holds a thread for 10 s, long after its download gave up."""


class SystemResolver:
    """``getaddrinfo`` in threads of its own: one that hangs must not stop decoding.

    Who asks for a name that is being looked up shares the answer, so that fifty thumbnails of
    one host are one look-up.

    Args:
        threads: look-ups at once.
    """

    def __init__(self, *, threads: int) -> None:
        os.environ.setdefault("RES_OPTIONS", GLIBC_OPTIONS)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses of a host, in the system's order of preference.

        Raises:
            httpcore.ConnectError: it cannot be told at the moment.
        """
        lookup = self._under_way.get(host)
        if lookup is None:
            loop = asyncio.get_running_loop()
            lookup = loop.run_in_executor(self._threads, _look_up, host, port)
            self._under_way[host] = lookup
            lookup.add_done_callback(lambda _: self._under_way.pop(host))
        return await asyncio.shield(lookup)

    def close(self) -> None:
        """Lets the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        return []
    except socket.gaierror as error:
        if error.errno in NO_SUCH_NAME:
            return []
        raise httpcore.ConnectError("name look-up failed") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
