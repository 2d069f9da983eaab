import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from clip_ranker.download.hosts import Asker
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.single_flight import MOST_KEPT, Flight, Flights
from clip_ranker.pictures.stage_clock import StageClock
from clip_ranker.turns import Lane, Waitlist

VECTOR = np.ones(4, np.float32)


class Work:
    """Counts how often it is begun, finished and cancelled."""

    def __init__(self, *, begun: bool = True) -> None:
        self._has_begun = begun
        self.begun = self.finished = self.cancelled = 0
        self.go = asyncio.Event()
        self.fails: Exception | None = None

    async def __call__(self, flight: Flight) -> Embedding:
        self.begun += 1
        flight.begun = self._has_begun
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise self.fails
        self.finished += 1
        return VECTOR


def job(*, background: bool = False) -> Job:
    lane = Lane(4, background=background)
    return Job(lane, Asker(), StageClock(), asyncio.Semaphore(9), 768)


async def join(
    flights: Flights,
    key: str,
    asks: Job,
    work: Callable[[Flight], Coroutine[Any, Any, Embedding]],
    *,
    first: bool = False,
) -> Embedding:
    with flights.join(key, asks, work, first=first) as flight:
        return await flight.land()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_same_key_is_worked_on_once_and_again_later() -> None:
    async def scenario() -> None:
        flights, work = Flights(), Work()
        asks = job()
        waiting = [asyncio.ensure_future(join(flights, "a", asks, work)) for _ in range(5)]
        other = asyncio.ensure_future(join(flights, "b", asks, work))
        await settle()
        assert work.begun == 2
        assert "a" in flights
        work.go.set()
        assert all(vector is VECTOR for vector in await asyncio.gather(*waiting, other))
        assert "a" not in flights
        await join(flights, "a", asks, work)
        assert work.begun == 3

    asyncio.run(scenario())


def test_everyone_gets_the_failure() -> None:
    async def scenario() -> None:
        flights, work = Flights(), Work()
        asks = job()
        work.fails = ValueError("broken")
        work.go.set()
        found = await asyncio.gather(
            *(join(flights, "a", asks, work) for _ in range(3)), return_exceptions=True
        )
        assert [type(error) for error in found] == [ValueError] * 3
        assert work.begun == 1

    asyncio.run(scenario())


def test_work_ends_when_the_last_one_leaves_and_not_before() -> None:
    async def scenario() -> None:
        flights, work = Flights(), Work()
        asks = job()
        first, second = (asyncio.ensure_future(join(flights, "a", asks, work)) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        assert (first.cancelled(), work.cancelled) == (True, 0)
        second.cancel()
        await settle()
        assert work.cancelled == 1
        work.go.set()
        assert await join(flights, "a", asks, work) is VECTOR  # not the cancelled flight
        assert work.begun == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("begun", [True, False])
def test_what_has_begun_is_finished_after_a_deadline(begun: bool) -> None:
    async def scenario() -> None:
        flights, work, late, other = Flights(), Work(begun=begun), job(), job()
        late.late = True
        leaving = [asyncio.ensure_future(join(flights, "a", one, work)) for one in (late, other)]
        await settle()
        for one in leaving:  # the last to leave is not late
            one.cancel()
            await settle()
        work.go.set()
        await settle()
        assert (work.finished, work.cancelled) == ((1, 0) if begun else (0, 1))
        assert "a" not in flights

    asyncio.run(scenario())


def test_only_so_many_are_finished_that_nobody_waits_for() -> None:
    async def scenario() -> None:
        flights, work, late = Flights(), Work(), job()
        late.late = True
        leaving = [
            asyncio.ensure_future(join(flights, str(n), late, work)) for n in range(MOST_KEPT + 9)
        ]
        await settle()
        for one in leaving:
            one.cancel()
        await settle()
        assert work.cancelled == 9
        again = asyncio.ensure_future(join(flights, "0", job(), work))  # leaves room for one
        one_more = asyncio.ensure_future(join(flights, "new", late, work))
        await settle()
        one_more.cancel()
        work.go.set()
        await again
        await settle()
        assert (work.begun, work.finished) == (MOST_KEPT + 10, MOST_KEPT + 1)

    asyncio.run(scenario())


def test_closing_leaves_no_task_behind() -> None:
    async def scenario() -> None:
        flights, work = Flights(), Work()
        asks = job()
        waiting = asyncio.ensure_future(join(flights, "a", asks, work))
        await settle()
        await flights.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


@pytest.mark.parametrize("background", [True, False])
def test_what_another_asked_for_first_waits_in_the_lanes_of_both(background: bool) -> None:
    async def scenario() -> None:
        decoding: Waitlist[str, Pixels] = Waitlist(lambda: None)
        embedding: Waitlist[Pixels, Embedding] = Waitlist(lambda: None)
        crowd, asks = job(background=background), job()
        pixels = np.zeros((2, 2, 3), np.uint8)

        async def work(flight: Flight) -> Embedding:
            return await flight.stand_in(embedding, await flight.stand_in(decoding, "file"))

        flights = Flights()
        waiting = [asyncio.ensure_future(join(flights, key, crowd, work)) for key in "abc"]
        await settle()
        waiting.append(asyncio.ensure_future(join(flights, "c", asks, work, first=True)))
        await settle()
        stages: tuple[tuple[Waitlist[Any, Any], Any], ...] = (
            (decoding, pixels),
            (embedding, VECTOR),
        )
        for waitlist, result in stages:
            # Of its own lane although that has no room: it is the first there.
            ((lane, one),) = waitlist.take(9, lambda _: 0)
            assert lane is asks.lane
            one.settle(result)
            await settle()
        assert await waiting[2] is VECTOR
        assert await waiting[3] is VECTOR
        await flights.close()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(scenario())
