"""The same picture asked for twice at a time is worked on once."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from clip_ranker.batcher import Embedding
from clip_ranker.lanes import Lane, Line, Outcome, Work


class Flight:
    """One picture on its way, whoever waits for it.

    Attributes:
        begun: it holds one of the process's places to download, or needs none.
        decoded: past downloading and decoding; set as well when the work has ended.
        task: the work.
        waiting: how many wait for it.
    """

    def __init__(self, lane: Lane) -> None:
        self.begun = False
        self.decoded = asyncio.Event()
        self.task: asyncio.Task[Embedding]
        self.waiting = 0
        self._lane = lane
        self._move: Callable[[Lane], None] = lambda _: None

    async def land(self) -> Embedding:
        """Its embedding; raises what the work raises. To be awaited inside ``Flights.join``."""
        return await asyncio.shield(self.task)

    async def stand_in(
        self, line: Line[Work, Outcome], work: Work, *, first: bool = False
    ) -> Outcome:
        """Waits in the lane of the most urgent request that wants this picture."""
        waiting = line.put(self._lane, work, first=first)
        self._move = lambda lane: line.adopt(lane, waiting)
        return await waiting.outcome

    def hurry(self, lane: Lane) -> None:
        """A request with this lane wants it as well: it leaves the background for it."""
        if self._lane.background and not lane.background:
            self._lane = lane
            self._move(lane)


class Flights:
    """All pictures on their way, by key."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    @contextmanager
    def join(
        self,
        key: str,
        lane: Lane,
        work: Callable[[Flight], Coroutine[Any, Any, Embedding]],
        *,
        finish: Callable[[], bool] = bool,
    ) -> Iterator[Flight]:
        """Boards the flight of this key, starting it if there is none.

        Its work ends when the last one leaves the block before it is done, unless it has begun
        and ``finish`` then says that its result is of use all the same.

        Args:
            key: of the picture.
            lane: of the request that asks.
            work: does it.
            finish: asked on leaving before the end.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight(lane)
            flight.task = asyncio.create_task(work(flight))
            flight.task.add_done_callback(lambda _: self._landed(key, flight))
        else:
            flight.hurry(lane)
        flight.waiting += 1
        try:
            yield flight
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done() and not (flight.begun and finish()):
                self._landed(key, flight)  # at once: nobody may join what is being cancelled
                flight.task.cancel()

    async def close(self) -> None:
        """Cancels what is on its way."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        flight.decoded.set()
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # all who waited may have gone: it counts as seen
