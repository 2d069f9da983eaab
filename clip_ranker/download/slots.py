"""Places for downloads in the whole process, shared out fairly among requests and hosts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from clip_ranker.download.asker import Asker


@dataclass(eq=False)
class _Waiting:
    asker: Asker
    host: str
    turn: asyncio.Future[None]


class Slots:
    """A semaphore whose places neither a single request nor a single host can hold all of.

    A free place goes to the request that holds the fewest, among its own to the host that holds
    the fewest, and then in order of arrival; to one that nobody waits for after all others.

    Args:
        total: places in all; a host holds three quarters of them at most, a request all but one.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._most_a_host = max(1, total * 3 // 4)
        self._most_a_request = max(1, total - 1)
        self._held: Counter[Hashable] = Counter()
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def hold(self, asker: Asker, host: str) -> AsyncIterator[None]:
        """Waits for a place and keeps it until the block ends."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(asker, host, turn)
        self._waiting.append(waiting)
        self._hand_out()
        try:
            await turn
            yield
        finally:
            if turn.cancelled():  # left before its turn
                self._waiting.remove(waiting)
            else:
                self._free += 1
                self._held -= Counter[Hashable]((asker, host))  # forgets who holds none
                self._hand_out()

    def _hand_out(self) -> None:
        while self._free:
            ready = [one for one in self._waiting if self._may(one) and not one.turn.done()]
            if not ready:
                return
            first = min(ready, key=self._rank)
            self._waiting.remove(first)
            self._free -= 1
            self._held.update((first.asker, first.host))
            first.turn.set_result(None)

    def _rank(self, one: _Waiting) -> tuple[bool, int, int]:
        return one.asker.background, self._held[one.asker], self._held[one.host]

    def _may(self, one: _Waiting) -> bool:
        if self._held[one.asker] >= self._most_a_request:
            return False
        return self._held[one.host] < self._most_a_host
