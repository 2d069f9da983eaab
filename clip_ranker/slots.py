"""Places for downloads in the whole process, shared out fairly among hosts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple


class _Waiting(NamedTuple):
    host: str
    turn: asyncio.Future[None]


class HostSlots:
    """A semaphore whose places no single host can hold all of.

    A free place goes to the waiting host that holds the fewest, in order of arrival among equals.

    Args:
        total: places in all; one host holds three quarters of them at most.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._per_host = max(1, total * 3 // 4)
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def hold(self, host: str) -> AsyncIterator[None]:
        """Waits for a place and keeps it until the block ends."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(host, turn))
        self._hand_out()
        try:
            await turn
            yield
        finally:
            if turn.cancelled():  # left before its turn
                self._waiting.remove(_Waiting(host, turn))
            else:
                self._free += 1
                self._held[host] -= 1
                self._held += Counter()  # forgets hosts that hold none
                self._hand_out()

    def _hand_out(self) -> None:
        while self._free:
            ready = [
                entry
                for entry in self._waiting
                if self._held[entry.host] < self._per_host and not entry.turn.done()
            ]
            if not ready:
                return
            entry = min(ready, key=lambda entry: self._held[entry.host])
            self._waiting.remove(entry)
            self._free -= 1
            self._held[entry.host] += 1
            entry.turn.set_result(None)
