"""Hosts that let nobody connect a moment ago are not asked fifty times."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
from cachetools import TTLCache

from clip_ranker.errors import UrlBlockedError

ENOUGH_FAILURES = 3
"""In a row; one URL with its retry makes two."""
FORGOTTEN_AFTER_S = 5.0
MOST_HOSTS = 10_000
PATIENCE_S = 1.0
"""A connect that is given up sooner tells of who waited, not of the host."""


class DeadHosts:
    """Counts failures to connect by host and port."""

    def __init__(self) -> None:
        self._failures: TTLCache[tuple[str, int], int] = TTLCache(MOST_HOSTS, FORGOTTEN_AFTER_S)

    @contextmanager
    def connecting(self, host: str, port: int) -> Iterator[None]:
        """The block connects.

        Raises:
            httpcore.ConnectError: at once, the last few all failed.
        """
        place = (host, port)
        if self._failures.get(place, 0) >= ENOUGH_FAILURES:
            raise httpcore.ConnectError("nobody could connect a moment ago")
        began = time.monotonic()
        try:
            yield
        except UrlBlockedError:
            raise  # ours, not the host's
        except BaseException as error:
            given_up = isinstance(error, asyncio.CancelledError)
            if not given_up or time.monotonic() - began > PATIENCE_S:
                self._failures[place] = self._failures.get(place, 0) + 1
            raise
        self._failures.pop(place, None)
