"""Places and memory, shared by client."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.errors import BusyError
from clip_ranker.web.client import Client
from clip_ranker.web.shares import BodyBytes, RequestPlaces, Upload, may_have

A, B, C = (Client("", name) for name in "ABC")


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


def fill(held: Counter[Client], client: Client, total: int) -> int:
    """How many the client gets one by one."""
    got = 0
    while may_have(1, client, Counter(held), total):
        held[client] += 1
        got += 1
    return got


def test_a_client_alone_has_all_but_a_quarter_and_the_next_ones_a_share_of_that() -> None:
    held: Counter[Client] = Counter()
    assert fill(held, A, 32) == 24
    assert fill(held, B, 32) == 8  # of ten that would be its equal part
    assert fill(held, C, 32) == 0
    held[A] -= 12
    assert fill(held, C, 32) == 8  # a quarter of 32, as three are here and one may come
    assert fill(held, A, 32) == 0


@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=300),
)
def test_shares_never_exceed_the_total_and_one_alone_leaves_room(
    total: int, steps: list[tuple[str, bool]]
) -> None:
    held: Counter[str] = Counter()
    for client, takes in steps:
        if takes and may_have(1, client, Counter(held), total):
            held[client] += 1
        elif not takes and held[client]:
            held[client] -= 1
        held = +held
        assert held.total() <= total
        if len(held) == 1:
            assert held.total() <= max(1, total - total // 4)
        if held.total() <= total - total // 4 - 1:
            assert may_have(1, "newcomer", Counter(held), total)


class Asker:
    """Requests that hold their places until they are told to end."""

    def __init__(self, total: int) -> None:
        self.places = RequestPlaces(total)
        self.inside: list[Client] = []
        self.refused: list[Client] = []
        self._tasks: dict[asyncio.Task[None], asyncio.Event] = {}

    async def come(self, client: Client, count: int = 1) -> None:
        for _ in range(count):
            end = asyncio.Event()
            self._tasks[asyncio.create_task(self._ask(client, end))] = end
        await self.settle()

    async def end(self, client: Client) -> None:
        """The oldest of the client's that is inside."""
        task = next(task for task in self._tasks if task.get_name() == str(client))
        self._tasks.pop(task).set()
        await task
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _ask(self, client: Client, end: asyncio.Event) -> None:
        try:
            async with self.places.hold(client):
                task = asyncio.current_task()
                assert task
                task.set_name(str(client))
                self.inside.append(client)
                await end.wait()
                self.inside.remove(client)
        except BusyError:
            self.refused.append(client)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


def test_who_waits_for_a_place_is_served_in_turn_of_clients() -> None:
    async def scenario() -> None:
        askers = Asker(8)
        await askers.come(A, 10)
        assert Counter(askers.inside) == {A: 6}
        await askers.come(B, 4)
        assert Counter(askers.inside) == {A: 6, B: 2}
        await askers.come(C)
        assert Counter(askers.inside) == {A: 6, B: 2}
        await askers.end(A)
        assert Counter(askers.inside) == {A: 5, B: 2, C: 1}  # although A waits for longer
        await askers.end(A)
        assert Counter(askers.inside)[B] == 2  # it has its equal part of what all have
        askers.close()

    run(scenario)


def test_a_line_of_one_client_is_bounded_and_leaves_room_for_others() -> None:
    async def scenario() -> None:
        askers = Asker(8)
        await askers.come(A, 40)
        assert len(askers.refused) == 40 - 6 - 6  # inside and in line
        await askers.come(B, 2)
        await askers.come(C)
        assert set(askers.refused) == {A}
        askers.close()

    run(scenario)


def test_who_waits_too_long_for_a_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clip_ranker.web.shares.PATIENCE_S", 0.01)

    async def scenario() -> None:
        askers = Asker(1)
        await askers.come(A)
        with pytest.raises(BusyError):
            async with askers.places.hold(B):
                pass
        assert askers.inside == [A]
        await askers.end(A)
        async with askers.places.hold(B):
            await asyncio.sleep(0.05)  # what it waited for a place is no limit on its work
        askers.close()

    run(scenario)


def test_a_time_out_of_the_work_itself_stays_what_it_is() -> None:
    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            async with RequestPlaces(1).hold(A):
                raise TimeoutError

    run(scenario)


class Uploads:
    """Bodies that come in a piece at a time."""

    def __init__(self) -> None:
        self.bytes = BodyBytes(100, least=1)
        self.gone: list[Upload] = []
        self.some_have_gone = asyncio.Event()

    async def begin(self, client: Client, size: int = 0) -> Upload:
        begun: asyncio.Future[Upload] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._take_in(client, begun))
        upload = await begun
        if size:
            self.bytes.grow(upload, size)
        return upload

    async def _take_in(self, client: Client, begun: asyncio.Future[Upload]) -> None:
        limit = asyncio.timeout(60)
        with self.bytes.hold(client, limit) as upload, contextlib.suppress(TimeoutError):
            async with limit:
                begun.set_result(upload)
                await asyncio.Event().wait()
        self.gone.append(upload)
        self.some_have_gone.set()


def uploads(scenario: Callable[[Uploads], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario(Uploads())
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    run(whole)


def test_half_sent_bodies_of_one_client_leave_room_for_small_ones_of_others() -> None:
    async def scenario(uploads: Uploads) -> None:
        for _ in range(3):
            await uploads.begin(A, 25)
        fourth = await uploads.begin(A)
        with pytest.raises(BusyError):
            uploads.bytes.grow(fourth, 25)
        await uploads.begin(B, 10)
        await uploads.begin(C, 10)
        assert uploads.gone == []

    uploads(scenario)


def test_a_body_that_stands_still_gives_way_before_one_that_comes() -> None:
    async def scenario(uploads: Uploads) -> None:
        coming, stalled = await uploads.begin(A, 30), await uploads.begin(A, 30)
        uploads.bytes.grow(coming, 40)
        await uploads.begin(B, 30)
        newcomer = await uploads.begin(C, 10)
        await uploads.some_have_gone.wait()
        assert uploads.gone == [stalled]
        assert stalled.gave_way
        assert not coming.gave_way
        uploads.bytes.grow(newcomer, 20)

    uploads(scenario)


def test_a_body_that_is_here_gives_way_to_nobody_and_nobody_to_a_larger_client() -> None:
    async def scenario(uploads: Uploads) -> None:
        uploads.bytes.arrived(await uploads.begin(A, 70))
        await uploads.begin(B, 30)
        for client in (C, A):
            late = await uploads.begin(client)
            with pytest.raises(BusyError):
                uploads.bytes.grow(late, 31)
        assert uploads.gone == []

    uploads(scenario)


def test_what_has_ended_counts_no_more() -> None:
    async def scenario(uploads: Uploads) -> None:
        for _ in range(5):
            await uploads.begin(A, 70)
            uploads.task.cancel()
            await asyncio.gather(uploads.task, return_exceptions=True)

    uploads(scenario)


def test_a_body_whose_time_is_over_anyway_gives_way_to_nobody() -> None:
    async def scenario() -> None:
        held = BodyBytes(100, least=1)
        over = asyncio.timeout(0)
        with held.hold(A, over) as late:
            held.grow(late, 70)
            with pytest.raises(TimeoutError):
                async with over:
                    await asyncio.Event().wait()
            with held.hold(B, asyncio.timeout(60)) as newcomer, pytest.raises(BusyError):
                held.grow(newcomer, 40)
            assert not late.gave_way

    run(scenario)


def test_a_body_that_unfolds_to_too_much_after_it_is_here_gives_way_to_nobody() -> None:
    """While its client is told so, its time has ended."""

    async def scenario() -> None:
        held = BodyBytes(100, least=1)
        ended = asyncio.timeout(60)
        with held.hold(A, ended) as here:
            async with ended:
                held.grow(here, 60)
            held.arrived(here)
            with pytest.raises(BusyError):
                held.grow(here, 90)
            with held.hold(B, asyncio.timeout(60)) as newcomer, pytest.raises(BusyError):
                held.grow(newcomer, 41)
            assert not here.gave_way

    run(scenario)
