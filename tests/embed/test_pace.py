"""How many pictures are expected back before a deadline."""

import asyncio
import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.embed.pace import TELLING, USED_OF_THE_TIME, Pace


def one() -> None: ...
def other() -> None: ...


def most(pace: Pace, embed: Callable[[], None], seconds: float) -> float:
    async def ask() -> float:
        return pace.most_before(embed, asyncio.get_running_loop().time() + seconds)

    return asyncio.run(ask())


def test_nothing_is_known_before_a_call_of_the_same_model() -> None:
    pace = Pace()
    assert most(pace, one, 100) == math.inf
    pace.took(other, 16, 800)
    assert most(pace, one, 100) == math.inf
    pace.took(one, 16, 80)
    assert [most(pace, one, 101), most(pace, other, 201)] == [15, 3]  # of five and fifty seconds


def test_there_is_always_time_for_one_and_without_a_deadline_for_all() -> None:
    pace = Pace()
    pace.took(one, 16, 16)
    assert [most(pace, one, seconds) for seconds in (0.1, 0, -5)] == [1, 1, 1]
    assert most(pace, one, math.inf) == math.inf


def test_a_small_call_which_takes_longer_for_each_tells_only_when_nothing_else_does() -> None:
    pace = Pace()
    pace.took(one, 1, 50)
    assert most(pace, one, 410) == 6
    pace.took(one, 16, 160)
    pace.took(one, TELLING - 1, 300)
    assert most(pace, one, 410) == 30
    pace.took(one, TELLING, 200)  # the machine is busy now
    assert most(pace, one, 410) == 6
    pace.took(one, 1, 10)
    assert most(pace, one, 410) == 30


@given(
    st.lists(st.tuples(st.integers(1, 20), st.floats(1, 1000)), min_size=1, max_size=8),
    st.integers(-100, 100_000),
)
def test_no_more_than_the_quickest_call_allows_and_no_fewer_than_the_slowest(
    calls: list[tuple[int, float]], seconds: int
) -> None:
    pace = Pace()
    for pictures, took_s in calls:
        pace.took(one, pictures, took_s)
    found, each = most(pace, one, seconds), [took_s / pictures for pictures, took_s in calls]
    assert found == max(1, math.floor(found))
    assert found == 1 or found * min(each) <= seconds * USED_OF_THE_TIME
    assert (found + 2) * max(each) >= seconds * USED_OF_THE_TIME  # a moment has passed since
