"""What is remembered of a host, for how long, and from whom."""

import asyncio
from contextlib import suppress

import httpcore
import pytest

from clip_ranker.download import dead_hosts
from clip_ranker.download.dead_hosts import DeadHosts


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


async def fail(hosts: DeadHosts, error: BaseException, clock: Clock, after_s: float) -> None:
    """A connect that takes so long and ends so."""
    with suppress(type(error)):
        async with hosts.connecting("a.test", 80):
            clock.now_s += after_s
            raise error


async def is_dead(hosts: DeadHosts) -> bool:
    try:
        async with hosts.connecting("a.test", 80):
            return False
    except httpcore.ConnectError:
        return True


def test_a_dead_host_is_asked_again_soon() -> None:
    async def scenario() -> None:
        clock = Clock()
        hosts = DeadHosts(clock)
        for _ in range(dead_hosts.ENOUGH_FAILURES):
            await fail(hosts, OSError("dead"), clock, 0)
        assert await is_dead(hosts)
        clock.now_s += 0.99 * dead_hosts.FORGOTTEN_AFTER_S
        assert await is_dead(hosts)
        clock.now_s += 0.02 * dead_hosts.FORGOTTEN_AFTER_S
        assert not await is_dead(hosts)

    asyncio.run(scenario())


@pytest.mark.parametrize(("patience", "dead"), [(0.9, False), (1.1, True)])
def test_a_host_that_hangs_is_dead_for_who_waited_and_not_for_who_gave_up_early(
    patience: float, dead: bool
) -> None:
    async def scenario() -> None:
        clock = Clock()
        hosts = DeadHosts(clock)
        for _ in range(dead_hosts.ENOUGH_FAILURES):
            given_up = asyncio.CancelledError()
            await fail(hosts, given_up, clock, patience * dead_hosts.PATIENCE_S)
        assert await is_dead(hosts) is dead

    asyncio.run(scenario())


def test_who_waits_for_news_of_a_host_goes_on_when_the_first_are_given_up() -> None:
    async def scenario() -> None:
        hosts = DeadHosts(Clock())
        trying: list[int] = []

        async def connect(number: int) -> None:
            async with hosts.connecting("a.test", 80):
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
        assert not hosts._trying
        assert not hosts._news

    asyncio.run(scenario())
