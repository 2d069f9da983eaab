"""What is known of image hosts: a circuit breaker for all, an opinion for each request."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import httpcore
from cachetools import TTLCache

from clip_ranker.errors import UrlBlockedError
from clip_ranker.fair_queue import Request

ENOUGH_SILENCES = 3
"""Attempts of one request that ran out of time; one URL with its retry makes two."""
ENOUGH_FAILURES = 3
"""Failed connects in a row, of all requests."""
FORGOTTEN_AFTER_S = 5.0
MOST_HOSTS = 10_000
MOST_CONNECTS = 10
"""Connects to a host of which nothing is known; the others wait for what those learn."""
PATIENCE_S = 1.0
"""A connect that had less before its deadline tells of what came before it, not of the host."""

Place = tuple[str, int]


class Asker(Request):
    """One request to the image hosts: its turn at name look-ups, and its opinion of each host.

    The opinion is its own, for who sends URLs of a good host that never answer must not make that
    host look silent to others.
    """

    def __init__(self, *, background: bool = False) -> None:
        super().__init__(1, background=background)  # how many has no say in look-ups
        self._silences: Counter[str] = Counter()
        self._heard: set[str] = set()

    def heard(self, host: str) -> None:
        """This host has answered in time."""
        self._heard.add(host)

    def silent(self, host: str) -> None:
        """This host has not."""
        self._silences[host] += 1

    def gives_up_on(self, host: str) -> bool:
        """True when a host did not answer in time several times, and never did."""
        return host not in self._heard and self._silences[host] >= ENOUGH_SILENCES


class CircuitBreaker:
    """Fails connects to a host and port at once where the last few failed.

    Only what has ended by itself counts, a connect that was cut off because nobody waits for
    it any more does not.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        # Failures in a row, or why it is blocked.
        self._known: TTLCache[Place, int | str] = TTLCache(MOST_HOSTS, FORGOTTEN_AFTER_S, timer)
        self._trying: Counter[Place] = Counter()
        self._news: dict[Place, asyncio.Event] = {}

    @asynccontextmanager
    async def connecting(
        self, host: str, port: int
    ) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """The block looks the name up, awaits what it is given, and connects.

        After that, running into the deadline of the scope around it is a failure.

        Raises:
            httpcore.ConnectError: at once or where it awaits, the last few all failed.
            UrlBlockedError: likewise, the last one was blocked, or there was no such name.
        """
        place = (host, port)
        self._fail_if_known(place)
        began = deadline = math.inf

        async def looked_up() -> None:
            nonlocal began, deadline
            await self._wait_for_news(place)
            self._trying[place] += 1
            began, deadline = anyio.current_time(), anyio.current_effective_deadline()

        try:
            yield looked_up
        except UrlBlockedError as error:
            self._known[place] = error.code
            raise
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            self._failed(place)
            raise
        except asyncio.CancelledError:
            now = anyio.current_time()
            if now >= deadline and now - began >= PATIENCE_S:
                self._failed(place)
            raise
        else:
            self._known[place] = 0
        finally:
            if began < math.inf:
                self._trying -= Counter([place])  # forgets hosts that nobody tries
            if place in self._news:
                self._news.pop(place).set()

    def _failed(self, place: Place) -> None:
        known = self._known.get(place)
        self._known[place] = known + 1 if isinstance(known, int) else 1

    def _fail_if_known(self, place: Place) -> int | None:
        """Failures in a row, fewer than enough; none where nothing is known."""
        known = self._known.get(place)
        if isinstance(known, str):
            raise UrlBlockedError(known)
        if known is not None and known >= ENOUGH_FAILURES:
            raise httpcore.ConnectError("nobody could connect a moment ago")
        return known

    async def _wait_for_news(self, place: Place) -> None:
        while self._fail_if_known(place) != 0 and self._trying[place] >= MOST_CONNECTS:
            await self._news.setdefault(place, asyncio.Event()).wait()
