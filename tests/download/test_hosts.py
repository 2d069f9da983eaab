"""What is remembered of a host, for how long, and from whom."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
import httpcore
import pytest

from clip_ranker.download import hosts
from clip_ranker.download.hosts import Asker, CircuitBreaker
from clip_ranker.errors import UrlBlockedError


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


async def fail(breaker: CircuitBreaker, error: Exception) -> None:
    """A connect that ends so."""
    with suppress(type(error)):
        async with breaker.connecting("a.test", 80):
            raise error


async def is_dead(breaker: CircuitBreaker) -> bool:
    try:
        async with breaker.connecting("a.test", 80):
            return False
    except httpcore.ConnectError:
        return True


def run(scenario: Callable[[CircuitBreaker, Clock], Coroutine[Any, Any, None]]) -> None:
    clock = Clock()
    asyncio.run(scenario(CircuitBreaker(clock), clock))


def test_a_dead_host_is_asked_again_soon() -> None:
    async def scenario(breaker: CircuitBreaker, clock: Clock) -> None:
        for _ in range(hosts.ENOUGH_FAILURES):
            await fail(breaker, httpcore.ConnectError())
        assert await is_dead(breaker)
        clock.now_s += 0.99 * hosts.FORGOTTEN_AFTER_S
        assert await is_dead(breaker)
        clock.now_s += 0.02 * hosts.FORGOTTEN_AFTER_S
        assert not await is_dead(breaker)

    run(scenario)


def test_only_failures_in_a_row_make_a_host_dead() -> None:
    async def scenario(breaker: CircuitBreaker, _: Clock) -> None:
        for _ in range(hosts.ENOUGH_FAILURES):
            await fail(breaker, httpcore.ConnectTimeout())
            assert not await is_dead(breaker)  # and it was connected to

    run(scenario)


def test_a_blocked_host_is_blocked_at_once_the_next_time() -> None:
    async def scenario(breaker: CircuitBreaker, clock: Clock) -> None:
        await fail(breaker, UrlBlockedError("no_public_address"))
        with pytest.raises(UrlBlockedError, match="no address on the public internet"):
            await is_dead(breaker)
        clock.now_s += 1.01 * hosts.FORGOTTEN_AFTER_S
        assert not await is_dead(breaker)

    run(scenario)


async def hang(
    breaker: CircuitBreaker,
    scope: anyio.CancelScope,
    *,
    looked_up: bool,
    begun: asyncio.Event | None = None,
) -> None:
    """A connect to a host that never answers, or whose name servers never do."""
    with scope:
        async with breaker.connecting("a.test", 80) as found:
            if looked_up:
                await found()
            if begun:
                begun.set()
            await anyio.sleep_forever()


@pytest.mark.parametrize("looked_up", [True, False])
def test_who_leaves_says_nothing_of_the_host(
    looked_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "PATIENCE_S", 0)

    async def scenario(breaker: CircuitBreaker, _: Clock) -> None:
        for _ in range(2 * hosts.ENOUGH_FAILURES):
            scope = anyio.CancelScope(deadline=anyio.current_time() + 600)
            begun = asyncio.Event()
            connect = asyncio.create_task(hang(breaker, scope, looked_up=looked_up, begun=begun))
            await begun.wait()
            scope.cancel()
            await connect
        assert not await is_dead(breaker)

    run(scenario)


@pytest.mark.parametrize(
    ("looked_up", "patience_s", "dead"),
    [(True, 0, True), (False, 0, False), (True, 9, False)],
)
def test_a_connect_that_ran_out_of_time_counts_if_it_had_enough_of_it(
    looked_up: bool, patience_s: float, dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "PATIENCE_S", patience_s)

    async def scenario(breaker: CircuitBreaker, _: Clock) -> None:
        for _ in range(hosts.ENOUGH_FAILURES):
            scope = anyio.CancelScope(deadline=anyio.current_time() + 0.5)
            await hang(breaker, scope, looked_up=looked_up)
        assert await is_dead(breaker) is dead

    run(scenario)


def test_who_waits_for_news_of_a_host_goes_on_when_the_first_are_given_up() -> None:
    async def scenario(breaker: CircuitBreaker, _: Clock) -> None:
        trying: list[int] = []

        async def connect(number: int) -> None:
            async with breaker.connecting("a.test", 80) as looked_up:
                await looked_up()
                trying.append(number)
                await asyncio.Event().wait()

        tasks = [asyncio.ensure_future(connect(number)) for number in range(25)]
        for end in (10, 20, 25):
            for _ in range(10):
                await asyncio.sleep(0)
            assert trying == list(range(end))
            for task in tasks[:end]:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not breaker._trying
        assert not breaker._news

    run(scenario)


def test_an_asker_gives_up_on_a_host_that_never_answered_it() -> None:
    asker = Asker()
    for _ in range(hosts.ENOUGH_SILENCES):
        assert not asker.gives_up_on("a.test")
        asker.silent("a.test")
    assert asker.gives_up_on("a.test")
    assert not asker.gives_up_on("b.test")
    asker.heard("a.test")
    assert not asker.gives_up_on("a.test")
