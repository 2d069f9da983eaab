"""Hosts that let nobody connect a moment ago are not asked fifty times."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpcore
from cachetools import TTLCache

from clip_ranker.errors import UrlBlockedError

ENOUGH_FAILURES = 3
"""In a row; one URL with its retry makes two."""
FORGOTTEN_AFTER_S = 5.0
MOST_HOSTS = 10_000
MOST_AT_ONCE = 10
"""To a host of which nothing is known; the others wait for what those learn."""
PATIENCE_S = 1.0
"""A connect that is given up sooner tells of who waited, not of the host."""

Place = tuple[str, int]


class DeadHosts:
    """Remembers by host and port how the last connects went.

    Args:
        timer: tells the time, in seconds.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._failures: TTLCache[Place, int] = TTLCache(MOST_HOSTS, FORGOTTEN_AFTER_S, timer)
        self._blocked: TTLCache[Place, str] = TTLCache(MOST_HOSTS, FORGOTTEN_AFTER_S, timer)
        self._alive: TTLCache[Place, bool] = TTLCache(MOST_HOSTS, FORGOTTEN_AFTER_S, timer)
        self._trying: Counter[Place] = Counter()
        self._news: dict[Place, asyncio.Event] = {}

    @asynccontextmanager
    async def connecting(self, host: str, port: int) -> AsyncIterator[None]:
        """The block looks the name up and connects.

        Raises:
            httpcore.ConnectError: at once, the last few all failed.
            UrlBlockedError: at once, the last one was blocked, or there was no such name.
        """
        place = (host, port)
        await self._wait_for_news(place)
        self._trying[place] += 1
        began = self._timer()
        try:
            yield
        except UrlBlockedError as error:
            self._blocked[place] = str(error)
            raise
        except BaseException as error:
            given_up = isinstance(error, asyncio.CancelledError)
            if not given_up or self._timer() - began > PATIENCE_S:
                self._failures[place] = self._failures.get(place, 0) + 1
                self._alive.pop(place, None)
            raise
        else:
            self._failures.pop(place, None)
            self._alive[place] = True
        finally:
            self._trying -= Counter([place])  # forgets hosts that nobody tries
            if place in self._news:
                self._news.pop(place).set()

    async def _wait_for_news(self, place: Place) -> None:
        while True:
            if place in self._blocked:
                raise UrlBlockedError(self._blocked[place])
            if self._failures.get(place, 0) >= ENOUGH_FAILURES:
                raise httpcore.ConnectError("nobody could connect a moment ago")
            if place in self._alive or self._trying[place] < MOST_AT_ONCE:
                return
            await self._news.setdefault(place, asyncio.Event()).wait()
