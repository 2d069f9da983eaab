"""Look-ups that hang keep nobody else from being looked up for long."""

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import anyio
import httpcore
import pytest

from clip_ranker.download.attempt import CURRENT, Attempt
from clip_ranker.download.fetch import Fetcher
from clip_ranker.download.hosts import ENOUGH_SILENCES, Asker
from clip_ranker.download.resolver import MOST_THREADS, SystemResolver
from clip_ranker.settings import Settings
from tests.hostile.answers import PICTURE
from tests.hostile.names import HANGS_S, Names
from tests.hostile.raw_server import RawServer


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


def ask(
    resolver: SystemResolver, *hosts: str, asker: Asker | None = None
) -> list[asyncio.Task[Any]]:
    async def one(host: str) -> object:
        CURRENT.set(Attempt((asker or Asker(),), anyio.CancelScope()))
        return await resolver(host, 80)

    return [asyncio.create_task(one(host)) for host in hosts]


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
        await until(lambda: not resolver._under_way)
        assert not resolver._places.waiting()

    run(names, scenario)


def test_abandoned_look_ups_that_hang_leave_threads_for_others(names: Names) -> None:
    async def scenario() -> None:
        resolver = SystemResolver()
        for number in range(MOST_THREADS - 1):
            client = ask(resolver, f"hang{number}")
            await until(lambda: len(names.asked) == number + 1)  # noqa: B023
            await leave(*client)
        assert await resolver("good", 80) == ["1.1.1.1"]

    run(names, scenario)


def test_threads_are_shared_by_request_when_all_of_them_hang(names: Names) -> None:
    async def scenario() -> None:
        resolver = SystemResolver(2, 4)
        greedy = Asker()
        await leave(*ask(resolver, "hang1", "hang2", asker=greedy))  # before they have begun
        for number in range(2):
            client = ask(resolver, f"hang{number}", asker=greedy)
            await until(lambda: len(names.asked) == number + 1)  # noqa: B023
            await leave(*client)
        many = ask(resolver, *(f"hang-on{number}" for number in range(50)), asker=greedy)
        await until(lambda: len(names.asked) == 4)
        good = ask(resolver, "good", asker=Asker())
        await asyncio.sleep(0.05)
        assert len(names.asked) == 4
        while not good[0].done():  # as soon as one ends that counts, it is next
            names.end_one.release()
            await asyncio.wait(good, timeout=0.1)
        assert await good[0] == ["1.1.1.1"]
        assert names.asked.index("good") <= 6
        await leave(*many)

    run(names, scenario)


@pytest.fixture
def server(names: Names) -> Iterator[RawServer]:
    """Serves a picture under every name that does not hang."""
    with RawServer() as server:
        names.address = "127.0.0.1"
        server.says("/", PICTURE)
        yield server


def test_waiting_for_a_look_up_to_begin_tells_nothing_of_a_host(
    names: Names, server: RawServer
) -> None:
    async def scenario() -> None:
        resolver, hosts = SystemResolver(1), (f"good.test:{server.port}", "127.0.0.1")
        settings = Settings(allow_private_hosts=hosts, download_timeout_s=0.5)
        fetcher = Fetcher(settings, resolve=resolver)
        url, asker = fetcher.check(f"http://good.test:{server.port}/"), Asker()
        stuck = ask(resolver, "hang")
        await until(lambda: names.asked == ["hang"])
        good = asyncio.create_task(fetcher.fetch(url, askers=lambda: [asker]))
        await asyncio.wait({good}, timeout=(ENOUGH_SILENCES + 1) * 0.5)
        assert not good.done()
        names.end_one.release()
        assert await good == b"picture"
        assert not asker._silences
        await leave(*stuck)
        await fetcher.close()

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


def test_no_open_file_to_ask_with_is_no_fault_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    async def scenario() -> None:
        (asked,) = ask(SystemResolver(), "shop.example")
        with pytest.raises(httpcore.PoolTimeout):
            await asked

    asyncio.run(scenario())
