import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from clip_ranker.batcher import Batcher, Embedding, Pixels
from clip_ranker.flights import Flight, Flights
from clip_ranker.lanes import Lane, Line

VECTOR = np.ones(4, np.float32)


async def embed(pixels: Pixels) -> Embedding:
    return np.ones((len(pixels), 4), np.float32)


class Work:
    """Counts how often it is begun, finished and cancelled."""

    def __init__(self) -> None:
        self.begun = self.finished = self.cancelled = 0
        self.go = asyncio.Event()
        self.fails: Exception | None = None

    async def __call__(self, flight: Flight) -> Embedding:
        self.begun += 1
        flight.begun = True
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise self.fails
        self.finished += 1
        return VECTOR


async def join(
    flights: Flights,
    key: str,
    lane: Lane,
    work: Callable[[Flight], Coroutine[Any, Any, Embedding]],
    *,
    late: bool = False,
) -> Embedding:
    with flights.join(key, lane, work, finish=lambda: late) as flight:
        return await flight.land()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_same_key_is_worked_on_once_and_again_later() -> None:
    async def scenario() -> None:
        flights, work = Flights(), Work()
        lane = Batcher(embed, max_batch_size=4).lane()
        waiting = [asyncio.ensure_future(join(flights, "a", lane, work)) for _ in range(5)]
        other = asyncio.ensure_future(join(flights, "b", lane, work))
        await settle()
        assert work.begun == 2
        assert "a" in flights
        work.go.set()
        assert all(vector is VECTOR for vector in await asyncio.gather(*waiting, other))
        assert "a" not in flights
        await join(flights, "a", lane, work)
        assert work.begun == 3

    asyncio.run(scenario())


def test_everyone_gets_the_failure() -> None:
    async def scenario() -> None:
        flights, work = Flights(), Work()
        lane = Batcher(embed, max_batch_size=4).lane()
        work.fails = ValueError("broken")
        work.go.set()
        found = await asyncio.gather(
            *(join(flights, "a", lane, work) for _ in range(3)), return_exceptions=True
        )
        assert [type(error) for error in found] == [ValueError] * 3
        assert work.begun == 1

    asyncio.run(scenario())


def test_work_ends_when_the_last_one_leaves_and_not_before() -> None:
    async def scenario() -> None:
        flights, work = Flights(), Work()
        lane = Batcher(embed, max_batch_size=4).lane()
        first, second = (asyncio.ensure_future(join(flights, "a", lane, work)) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        assert (first.cancelled(), work.cancelled) == (True, 0)
        second.cancel()
        await settle()
        assert work.cancelled == 1
        work.go.set()
        assert await join(flights, "a", lane, work) is VECTOR  # not the cancelled flight
        assert work.begun == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("begun", [True, False])
def test_what_has_begun_is_finished_after_a_deadline(begun: bool) -> None:
    async def scenario() -> None:
        flights, work = Flights(), Work()
        lane = Batcher(embed, max_batch_size=4).lane()

        async def start(flight: Flight) -> Embedding:
            try:
                return await work(flight)
            finally:
                flight.begun = begun

        late = asyncio.ensure_future(join(flights, "a", lane, start, late=True))
        await settle()
        flight = flights._flights["a"]
        flight.begun = begun
        late.cancel()
        await settle()
        work.go.set()
        await settle()
        assert (work.finished, work.cancelled) == ((1, 0) if begun else (0, 1))

    asyncio.run(scenario())


def test_closing_leaves_no_task_behind() -> None:
    async def scenario() -> None:
        flights, work = Flights(), Work()
        lane = Batcher(embed, max_batch_size=4).lane()
        waiting = asyncio.ensure_future(join(flights, "a", lane, work))
        await settle()
        await flights.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_a_request_pulls_what_is_prefetched_out_of_the_background_at_every_stage() -> None:
    async def scenario() -> None:
        decoding: Line[str, Pixels] = Line(lambda: None)
        embedding: Line[Pixels, Embedding] = Line(lambda: None)
        behind, urgent = Lane(4, background=True), Lane(4)
        pixels = np.zeros((2, 2, 3), np.uint8)

        async def work(flight: Flight) -> Embedding:
            decoded = await flight.stand_in(decoding, "file")
            return await flight.stand_in(embedding, decoded)

        flights = Flights()
        waiting = [asyncio.ensure_future(join(flights, key, behind, work)) for key in "abc"]
        await settle()
        waiting.append(asyncio.ensure_future(join(flights, "c", urgent, work)))
        await settle()
        # Of the front alone, as nothing of the background is taken beside it.
        stages: tuple[tuple[Line[Any, Any], Any], ...] = (
            (decoding, pixels),
            (embedding, VECTOR),
        )
        for line, outcome in stages:
            ((lane, one),) = line.take(9, lambda _: 9)
            assert lane is urgent
            one.settle(outcome)
            await settle()
        assert await waiting[2] is VECTOR
        assert await waiting[3] is VECTOR
        await flights.close()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(scenario())
