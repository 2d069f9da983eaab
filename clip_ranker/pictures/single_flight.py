"""The same picture asked for twice at a time is worked on once."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from clip_ranker.models.encoder import Embedding
from clip_ranker.pictures.job import Job
from clip_ranker.turns import Lane, Result, Waiting, Waitlist, Work

MOST_KEPT = 64
"""Pictures that nobody waits for any more and that are finished all the same; four calls."""


class Flight:
    """One picture on its way, whoever waits for it.

    Args:
        job: that asked first; the stages are on its clock.

    Attributes:
        begun: it holds one of the process's places to download, or needs none.
        decoded: past downloading and decoding; set as well when the work has ended.
        task: the work.
        waiting: how many wait for it.
        keep: one who left before the end would have it finished.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.begun = False
        self.decoded = asyncio.Event()
        self.task: asyncio.Task[Embedding]
        self.waiting = 0
        self.keep = False
        self._lanes: dict[Lane, bool] = {}
        self._stand: Callable[[Lane, bool], None] = lambda _, __: None

    async def land(self) -> Embedding:
        """Its embedding; raises what the work raises. To be awaited inside ``Flights.join``."""
        return await asyncio.shield(self.task)

    async def stand_in(self, waitlist: Waitlist[Work, Result], work: Work) -> Result:
        """Waits in the lanes of all requests that want this picture; the first to come counts."""
        waiting: Waiting[Work, Result] = Waiting(work, asyncio.get_running_loop().create_future())
        self._stand = lambda lane, first: waitlist.put(lane, waiting, first=first)
        for lane, first in self._lanes.items():
            self._stand(lane, first)
        return await waiting.result

    def board(self, job: Job, *, first: bool) -> None:
        """A request wants it, perhaps before all else it wants."""
        self.waiting += 1
        if first > self._lanes.get(job.lane, -1):
            self._lanes[job.lane] = first
            self._stand(job.lane, first)


class Flights:
    """All pictures on their way, by key."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}
        self._kept: set[Flight] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    @contextmanager
    def join(
        self,
        key: str,
        job: Job,
        work: Callable[[Flight], Coroutine[Any, Any, Embedding]],
        *,
        first: bool = False,
    ) -> Iterator[Flight]:
        """Boards the flight of this key, starting it if there is none.

        Its work ends when the last one leaves the block before it is done, unless it has begun
        and one of those who left did so because it was late: then its result is of use all the
        same, and it goes on behind everything else.

        Args:
            key: of the picture.
            job: that asks.
            work: does it.
            first: it goes before all else of the job.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight(job)
            flight.task = asyncio.create_task(work(flight))
            flight.task.add_done_callback(lambda _: self._landed(key, flight))
        self._kept.discard(flight)
        flight.board(job, first=first)
        try:
            yield flight
        finally:
            flight.waiting -= 1
            flight.keep |= job.late
            if not flight.waiting and not flight.task.done():
                if flight.keep and flight.begun and len(self._kept) < MOST_KEPT:
                    self._kept.add(flight)
                else:
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
        self._kept.discard(flight)
        flight.decoded.set()
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # all who waited may have gone: it counts as seen
