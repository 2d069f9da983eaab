"""Who waits for a picture, who begins the work on it, and who ends it."""

import asyncio

import httpx
import numpy as np
import pytest

from clip_ranker.errors import EmbedFailedError, TimedOutError
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.shared_picture import SharedPicture
from clip_ranker.pictures.single_flight import MOST_KEPT, SingleFlight
from clip_ranker.pictures.source import Source
from clip_ranker.turns import Turns

VECTOR = Embedded(np.ones(4, np.float32), b"")


def source(key: str, host: str = "host") -> Source:
    return Source(key, httpx.URL(f"https://{host}/"), 768)


class Work:
    """Counts how often it is begun, finished and cancelled."""

    def __init__(self, *, begun: bool = True) -> None:
        self._has_begun = begun
        self.begun = self.finished = self.cancelled = 0
        self.pictures: list[SharedPicture] = []
        self.go = asyncio.Event()
        self.fails: BaseException | None = None

    async def __call__(self, picture: SharedPicture) -> Embedded:
        self.begun += 1
        self.pictures.append(picture)
        picture.begun = self._has_begun
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise self.fails
        self.finished += 1
        return VECTOR


class World:
    """Pictures under way, and work on them."""

    def __init__(self, *, begun: bool = True) -> None:
        self.turns = Turns(downloads=64, decoders=2, max_batch_size=16)
        self.flights = SingleFlight(self.turns)
        self.work = Work(begun=begun)

    def join(self, key: str, job: Job, *, photo: bool = False) -> "asyncio.Task[Embedded]":
        return asyncio.create_task(
            self.flights.embedding(source(key), job, self.work, photo=photo), name=key
        )


class Downloads:
    """Pictures that hold a place for downloads until they are told to go on."""

    def __init__(self, places: int) -> None:
        self.turns = Turns(downloads=places, decoders=2, max_batch_size=16)
        self.flights = SingleFlight(self.turns)
        self.go = asyncio.Event()
        self.held: list[SharedPicture] = []

    async def _work(self, picture: SharedPicture) -> Embedded:
        async with self.turns.downloads.hold(picture):
            picture.begun = True
            self.held.append(picture)
            await self.go.wait()
        return VECTOR

    def join(self, key: str, job: Job, host: str = "host") -> "asyncio.Task[Embedded]":
        return asyncio.create_task(self.flights.embedding(source(key, host), job, self._work))


async def settle() -> None:
    for _ in range(9):
        await asyncio.sleep(0)


async def leave_at_deadline(world: World, key: str) -> None:
    """A late job begins the work and goes."""
    late = Job(9)
    late.late = True
    leaving = world.join(key, late)
    await settle()
    leaving.cancel()
    await settle()


def test_the_same_key_is_worked_on_once_and_again_later() -> None:
    async def scenario() -> None:
        world = World()
        job = Job(9)
        waiting = [world.join("a", job) for _ in range(5)]
        other = world.join("b", job)
        await settle()
        assert world.work.begun == 2
        assert "a" in world.flights
        world.work.go.set()
        assert all(vector is VECTOR for vector in await asyncio.gather(*waiting, other))
        assert "a" not in world.flights
        await world.join("a", job)
        assert world.work.begun == 3

    asyncio.run(scenario())


def test_everyone_gets_the_failure() -> None:
    async def scenario() -> None:
        world = World()
        world.work.fails = ValueError("broken")
        world.work.go.set()
        job = Job(9)
        found = await asyncio.gather(
            *(world.join("a", job) for _ in range(3)), return_exceptions=True
        )
        assert [type(error) for error in found] == [ValueError] * 3
        assert world.work.begun == 1

    asyncio.run(scenario())


def test_work_that_is_cut_off_from_below_is_told_at_once() -> None:
    async def scenario() -> None:
        world = World()
        world.work.fails = asyncio.CancelledError()
        world.work.go.set()
        with pytest.raises(EmbedFailedError):
            await world.join("a", Job(9))
        assert "a" not in world.flights

    asyncio.run(scenario())


def test_work_ends_when_the_last_one_leaves_and_not_before() -> None:
    async def scenario() -> None:
        world = World()
        job = Job(9)
        first, second = (world.join("a", job) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        assert (first.cancelled(), world.work.cancelled) == (True, 0)
        second.cancel()
        await settle()
        assert world.work.cancelled == 1
        world.work.go.set()
        assert await world.join("a", job) is VECTOR  # not the cancelled one
        assert world.work.begun == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("begun", [True, False])
def test_what_has_begun_is_finished_after_a_deadline(begun: bool) -> None:
    async def scenario() -> None:
        world, late, other = World(begun=begun), Job(9), Job(9)
        late.late = True
        leaving = [world.join("a", job) for job in (late, other)]
        await settle()
        for one in leaving:  # the last to leave is not late
            one.cancel()
            await settle()
        if begun:  # behind everything else
            assert not world.work.pictures[0].live
        world.work.go.set()
        await settle()
        assert (world.work.finished, world.work.cancelled) == ((1, 0) if begun else (0, 1))
        assert "a" not in world.flights

    asyncio.run(scenario())


def test_who_joins_what_was_left_brings_it_to_the_front_again() -> None:
    async def scenario() -> None:
        world = World()
        await leave_at_deadline(world, "a")
        again = world.join("a", Job(9))
        await settle()
        assert world.work.pictures[0].live
        world.work.go.set()
        assert await again is VECTOR
        assert world.work.begun == 1

    asyncio.run(scenario())


def test_only_so_many_are_finished_that_nobody_waits_for() -> None:
    async def scenario() -> None:
        world, late = World(), Job(9)
        late.late = True
        leaving = [world.join(str(n), late) for n in range(MOST_KEPT + 9)]
        await settle()
        for one in leaving:
            one.cancel()
        await settle()
        assert world.work.cancelled == 9
        again = world.join("0", Job(9))  # leaves room for one
        await settle()
        one_more = world.join("new", late)
        await settle()
        one_more.cancel()
        world.work.go.set()
        await again
        await settle()
        assert (world.work.begun, world.work.finished) == (MOST_KEPT + 10, MOST_KEPT + 1)

    asyncio.run(scenario())


def test_a_big_body_that_nobody_waits_for_is_not_kept() -> None:
    async def scenario() -> None:
        world, late = World(), Job(9)
        late.late = True
        leaving = world.join("a", late)
        await settle()
        async with world.turns.big_bodies.hold(world.work.pictures[0]):
            leaving.cancel()
            await settle()
        assert world.work.cancelled == 1

    asyncio.run(scenario())


def test_what_is_left_behind_holds_no_place_against_others() -> None:
    """Downloads wait for decoding in their places: what nobody waits for must not fill these."""

    async def scenario() -> None:
        world = Downloads(places=4)
        late = Job(50)
        late.late = True
        leaving = [world.join(str(n), late) for n in range(3)]
        await settle()
        assert len(world.held) == 3
        for one in leaving:
            one.cancel()
        await settle()
        live = [world.join(f"live {n}", Job(50)) for n in range(3)]
        await settle()
        assert len(world.held) == 3 + 3
        world.go.set()
        await asyncio.gather(*live)
        await world.flights.close()

    asyncio.run(scenario())


def test_a_place_is_free_when_only_a_prefetch_is_left_in_it() -> None:
    async def scenario() -> None:
        world = Downloads(places=2)
        one, two = Job(9), Job(9)
        leaving = world.join("a", one, "a")
        tasks = [world.join("a", Job(4, background=True), "a"), world.join("b", two, "b")]
        await settle()
        tasks.append(world.join("c", Job(9), "c"))
        await settle()
        assert len(world.held) == 2
        leaving.cancel()
        await settle()
        assert len(world.held) == 3
        world.go.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


def test_what_is_kept_learns_nothing_of_hosts_and_is_on_no_clock() -> None:
    async def scenario() -> None:
        world = World()
        await leave_at_deadline(world, "a")
        assert world.work.pictures[0].jobs() == []
        world.work.pictures[0].enter("embed")
        await world.flights.close()

    asyncio.run(scenario())


def test_one_request_may_give_up_and_the_others_go_on() -> None:
    async def scenario() -> None:
        world, gives_up, patient = World(), Job(9), Job(9)
        told, waiting = world.join("a", gives_up), world.join("a", patient)
        await settle()
        world.work.pictures[0].settle(TimedOutError("host_silent"), only=gives_up)
        with pytest.raises(TimedOutError):
            await told
        world.work.go.set()
        assert await waiting is VECTOR

    asyncio.run(scenario())


def test_a_stage_is_on_the_clock_of_all_who_wait() -> None:
    async def scenario() -> None:
        world, first, joins = World(), Job(9), Job(9)
        waiting = [world.join("a", first)]
        await settle()
        picture = world.work.pictures[0]
        picture.enter("embed")
        waiting.append(world.join("a", joins))
        await settle()
        world.work.go.set()
        await asyncio.gather(*waiting)
        assert first.clock.spent_ms()["download"] > 0
        assert joins.clock.spent_ms()["download"] == 0
        assert joins.clock.spent_ms()["embed"] > 0

    asyncio.run(scenario())


def test_closing_leaves_no_task_behind() -> None:
    async def scenario() -> None:
        world = World()
        waiting = world.join("a", Job(9))
        await settle()
        await world.flights.close()
        with pytest.raises(EmbedFailedError):
            await waiting
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
