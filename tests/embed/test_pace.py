"""How many pictures are expected back before a deadline."""

import asyncio
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.embed.pace import TELLING, USED_OF_THE_TIME, Pace


def one() -> None: ...
def other() -> None: ...


class Clock:
    """The event loop's time stands still in it."""

    def __init__(self, pace: Pace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pace = pace
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)

    def time(self) -> float:
        return 100.0

    def most(self, embed: object, seconds: float) -> float:
        return self.pace.most_before(embed, 100.0 + seconds)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Iterator[Clock]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Clock(Pace(), monkeypatch)


def test_nothing_is_known_before_a_call_of_the_same_model(clock: Clock) -> None:
    assert clock.most(one, 1) == math.inf
    clock.pace.took(other, 16, 8.0)
    assert clock.most(one, 1) == math.inf
    clock.pace.took(one, 16, 1.0)
    assert clock.most(one, 2) == 2 * 16 * USED_OF_THE_TIME
    assert clock.most(other, 2) == 2 * 2 * USED_OF_THE_TIME


def test_there_is_always_time_for_one_and_without_a_deadline_for_all(clock: Clock) -> None:
    clock.pace.took(one, 16, 1.0)
    assert [clock.most(one, seconds) for seconds in (0.001, 0, -5)] == [1, 1, 1]
    assert clock.most(one, math.inf) == math.inf


def test_a_small_call_which_takes_longer_for_each_tells_only_when_nothing_else_does(
    clock: Clock,
) -> None:
    clock.pace.took(one, 1, 0.5)
    assert clock.most(one, 4) == 6
    clock.pace.took(one, 16, 2.0)
    clock.pace.took(one, TELLING - 1, 3.0)
    assert clock.most(one, 4) == 24
    clock.pace.took(one, TELLING, 2.0)  # the machine is busy now
    assert clock.most(one, 4) == 6
    clock.pace.took(one, 1, 0.125)
    assert clock.most(one, 4) == 24


@given(
    st.lists(st.tuples(st.integers(1, 20), st.floats(0.001, 100)), min_size=1, max_size=8),
    st.floats(-10, 1000),
)
def test_as_many_as_the_slowest_call_allows_and_no_more_than_the_quickest(
    calls: list[tuple[int, float]], seconds: float
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock = Clock(Pace(), monkeypatch)
        for pictures, took_s in calls:
            clock.pace.took(one, pictures, took_s)
        most, each = clock.most(one, seconds), [took_s / pictures for pictures, took_s in calls]
    assert most == max(1, math.floor(most))
    assert most == 1 or most * min(each) <= seconds * USED_OF_THE_TIME * 1.001
    assert (most + 1) * max(each) >= seconds * USED_OF_THE_TIME * 0.999
