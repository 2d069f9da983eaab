"""Look-ups that hang keep nobody else from being looked up for long."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import httpcore
import pytest

from clip_ranker.download.resolver import MOST_LOOK_UPS, SystemResolver

HANGS_S = 60


class Names:
    """Stands for the system's resolver: names that begin with ``hang`` wait for ``release``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = threading.Event()

    def __call__(self, host: str, *_: object, **__: object) -> object:
        self.asked.append(host)
        if host.startswith("hang"):
            assert self.release.wait(HANGS_S)
            raise socket.gaierror(socket.EAI_AGAIN, "trouble")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 80))]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.release.set()


def run(names: Names, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs it, and releases what hangs however it ends, for the threads are waited for."""

    async def main() -> None:
        try:
            async with asyncio.timeout(HANGS_S):
                await scenario()
        finally:
            names.release.set()

    asyncio.run(main())


def ask(resolver: SystemResolver, *hosts: str) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(resolver(host, 80)) for host in hosts]


async def leave(*clients: asyncio.Task[Any]) -> None:
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 what it waits for happens in threads
        await asyncio.sleep(0.001)


def test_what_nobody_asks_for_any_more_is_not_looked_up(names: Names) -> None:
    async def scenario() -> None:
        resolver = SystemResolver(2)
        stuck = ask(resolver, "hang1", "hang2")
        await until(lambda: len(names.asked) == 2)
        gone = ask(resolver, *(f"gone{number}" for number in range(50)))
        shared = ask(resolver, "shared", "shared")
        last = ask(resolver, "last")
        await asyncio.sleep(0)
        await leave(*gone, shared[0])
        names.release.set()
        assert await shared[1] == await last[0] == ["1.1.1.1"]
        assert sorted(names.asked) == ["hang1", "hang2", "last", "shared"]
        await leave(*stuck)
        assert not resolver._under_way
        assert not resolver._askers

    run(names, scenario)


def test_abandoned_look_ups_that_hang_leave_threads_for_others(names: Names) -> None:
    async def scenario() -> None:
        resolver = SystemResolver()
        for number in range(MOST_LOOK_UPS - 1):
            client = ask(resolver, f"hang{number}")
            await until(lambda: len(names.asked) == number + 1)  # noqa: B023
            await leave(*client)
        assert await resolver("good", 80) == ["1.1.1.1"]

    run(names, scenario)


def test_who_asks_for_a_name_that_hangs_shares_the_look_up(names: Names) -> None:
    async def scenario() -> None:
        resolver = SystemResolver()
        gone = ask(resolver, "hang")
        await until(lambda: names.asked == ["hang"])
        await leave(*gone)
        late = ask(resolver, *["hang"] * 50)
        await asyncio.sleep(0)
        names.release.set()
        for client in late:
            with pytest.raises(httpcore.ConnectError):
                await client
        assert names.asked == ["hang"]

    run(names, scenario)


def test_a_thread_that_cannot_be_started_fails_one_look_up(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> None:
        resolver = SystemResolver(1)
        with monkeypatch.context() as no_threads:
            no_threads.setattr(threading.Thread, "start", refuse)
            with pytest.raises(httpcore.PoolTimeout):
                await resolver("a.test", 80)
        assert await resolver("a.test", 80) == ["1.1.1.1"]  # its place is free again

    run(names, scenario)
