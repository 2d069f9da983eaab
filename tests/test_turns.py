import asyncio
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.turns import BACKGROUND_MOST, Lane, Waiting, Waitlist

ALL = sys.maxsize


class Works(Waitlist[str, str]):
    def __init__(self) -> None:
        super().__init__(lambda: None)

    def add(self, lane: Lane, work: str, *, first: bool = False) -> Waiting[str, str]:
        waiting: Waiting[str, str] = Waiting(work, asyncio.Future())
        self.put(lane, waiting, first=first)
        return waiting

    def taken(self, most: int = ALL, room: int = ALL) -> str:
        return "".join(waiting.work for _, waiting in self.take(most, lambda _: room))


def test_one_of_each_lane_in_turn_and_the_turn_goes_on() -> None:
    async def scenario() -> None:
        works, lanes = Works(), [Lane(9) for _ in "abc"]
        for lane, all_of_it in zip(lanes, ("aaaa", "b", "ccc"), strict=True):
            for work in all_of_it:
                works.add(lane, work)
        assert [works.taken(2), works.taken(2), works.taken()] == ["ab", "ca", "caca"]

    asyncio.run(scenario())


def test_the_first_of_a_lane_goes_before_everything_whatever_room_there_is() -> None:
    async def scenario() -> None:
        works, lane, other = Works(), Lane(9), Lane(9)
        for work in "abc":
            works.add(other, work)
        for work in "xyz":
            works.add(lane, work)
        works.add(lane, "P", first=True)
        assert works.waiting(lane) == 3  # it takes no room from the others
        assert works.taken(2) == "Pa"
        assert works.taken() == "xbycz"
        for work in "xyz":
            works.add(lane, work)
        works.add(lane, "P", first=True)
        assert works.taken(room=0) == "P"
        assert works.taken(room=1) == "x"
        assert works.taken(room=0) == ""
        assert (works.waiting(lane), works.waiting_in_all()) == (2, 2)

    asyncio.run(scenario())


def test_the_background_goes_only_when_nothing_else_can_and_few_at_a_time() -> None:
    async def scenario() -> None:
        works, front, behind = Works(), Lane(9), Lane(9, background=True)
        for _ in range(6):
            works.add(behind, "b")
        works.add(front, "f")
        assert [works.taken(), works.taken(), works.taken()] == ["f", "b" * BACKGROUND_MOST, "bb"]

    asyncio.run(scenario())


def test_a_lane_that_nobody_waits_for_any_more_goes_behind_all_others() -> None:
    async def scenario() -> None:
        works, other, gone, front = Works(), Works(), Lane(9), Lane(9)
        for works_ in (works, other):
            works_.add(gone, "g")
            works_.retire(gone)
            works_.add(gone, "h")
            works_.add(front, "f")
            assert [works_.taken(), works_.taken()] == ["f", "gh"]

    asyncio.run(scenario())


def test_what_nobody_wants_any_more_is_not_taken() -> None:
    async def scenario() -> None:
        works, lane = Works(), Lane(9)
        a, b = works.add(lane, "a"), works.add(lane, "b")
        a.result.cancel()
        assert works.waiting(lane) == 1
        assert works.taken() == "b"
        a.settle("too late")
        b.settle(asyncio.CancelledError())
        assert b.result.cancelled()

    asyncio.run(scenario())


def test_shares() -> None:
    lane, early = Lane(16), Lane(16, early=True)
    assert (lane.share, early.share) == (16, 1)
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
        works, lanes = Works(), [Lane(9) for _ in range(5)]
        waiting = [works.add(lanes[number], str(number)) for number, _ in puts]
        for one, (number, again) in zip(waiting, puts, strict=True):
            if again:
                works.put(lanes[(number + 1) % 5], one)
        taken: list[str] = []
        turn = 0
        while some := works.take(mosts[turn % len(mosts)], lambda _: ALL):
            assert len(some) <= mosts[turn % len(mosts)]
            # A lane that still has something got as many as any other, but for one.
            counts = Counter(lane for lane, _ in some)
            still = [lane for lane in lanes if works.waiting(lane)]
            assert all(max(counts.values()) - counts[lane] <= 1 for lane in still)
            taken += [one.work for _, one in some]
            turn += 1
        assert sorted(taken) == sorted(str(number) for number, _ in puts)

    asyncio.run(scenario())
