import asyncio
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.lanes import BACKGROUND_SHARE, Lane, Line

ALL = sys.maxsize


def line() -> Line[str, str]:
    return Line(lambda: None)


def take(waits: Line[str, str], most: int = ALL, room: int = ALL) -> str:
    return "".join(waiting.work for _, waiting in waits.take(most, lambda _: room))


def test_one_of_each_lane_in_turn_and_the_turn_goes_on() -> None:
    async def scenario() -> None:
        waits, lanes = line(), [Lane(9) for _ in "abc"]
        for lane, works in zip(lanes, ("aaaa", "b", "ccc"), strict=True):
            for work in works:
                waits.put(lane, work)
        assert [take(waits, 2), take(waits, 2), take(waits)] == ["ab", "ca", "caca"]

    asyncio.run(scenario())


def test_the_first_of_a_lane_goes_before_the_rest_whatever_room_there_is() -> None:
    async def scenario() -> None:
        waits, lane = line(), Lane(9)
        for work in "xyz":
            waits.put(lane, work)
        waits.put(lane, "P", first=True)
        assert take(waits, room=0) == "P"
        assert take(waits, room=1) == "x"
        assert take(waits, room=0) == ""
        assert waits.waiting(lane) == 2

    asyncio.run(scenario())


def test_the_background_goes_only_when_nothing_else_can() -> None:
    async def scenario() -> None:
        waits, front, behind = line(), Lane(9), Lane(9, background=True)
        waits.put(behind, "b")
        waits.put(front, "f")
        assert [take(waits), take(waits), take(waits)] == ["f", "b", ""]

    asyncio.run(scenario())


def test_what_nobody_wants_any_more_is_not_taken() -> None:
    async def scenario() -> None:
        waits, lane = line(), Lane(9)
        a, b = waits.put(lane, "a"), waits.put(lane, "b")
        a.outcome.cancel()
        assert waits.waiting(lane) == 1
        assert take(waits) == "b"
        a.settle("too late")
        b.settle(asyncio.CancelledError())
        assert b.outcome.cancelled()

    asyncio.run(scenario())


def test_shares() -> None:
    lane, early, behind = Lane(16), Lane(16, early=True), Lane(16, background=True)
    assert (lane.share, early.share, behind.share) == (16, 1, BACKGROUND_SHARE)
    early.given = 5
    assert early.share == 5
    early.given = 50
    assert early.share == 16


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60),
    st.lists(st.integers(1, 9), min_size=1, max_size=9),
)
def test_everything_is_taken_once_and_no_lane_falls_behind(
    puts: list[tuple[int, bool]], mosts: list[int]
) -> None:
    async def scenario() -> None:
        waits, lanes = line(), [Lane(9) for _ in range(5)]
        waiting = [waits.put(lanes[number], str(number)) for number, _ in puts]
        for one, (number, again) in zip(waiting, puts, strict=True):
            if again:
                waits.adopt(lanes[(number + 1) % 5], one)
        taken: list[str] = []
        turn = 0
        while some := waits.take(mosts[turn % len(mosts)], lambda _: ALL):
            assert len(some) <= mosts[turn % len(mosts)]
            # While two lanes have something, one cannot be taken from twice in a row of turns.
            counts = Counter(lane for lane, _ in some)
            still = [lane for lane in lanes if waits.waiting(lane)]
            assert all(max(counts.values()) - counts[lane] <= 1 for lane in still)
            taken += [one.work for _, one in some]
            turn += 1
        assert sorted(taken) == sorted(str(number) for number, _ in puts)

    asyncio.run(scenario())
