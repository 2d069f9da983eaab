"""Whatever a server does ends as a body or as one typed failure, in bounded time and memory."""

import asyncio
import gc
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psutil
import pytest

from clip_ranker.download import dead_hosts
from clip_ranker.download import fetch as fetch_module
from clip_ranker.download.asker import ENOUGH_SILENCES, Asker
from clip_ranker.download.fetch import Fetcher
from clip_ranker.download.slots import Slots
from clip_ranker.download.url_policy import BLOCKED_ADDRESS
from clip_ranker.errors import (
    CandidateError,
    DownloadFailedError,
    TimedOutError,
    TooLargeError,
    UrlBlockedError,
)
from clip_ranker.settings import Settings
from tests.hostile.answers import BROKEN, CHUNKED, OK, PICTURE
from tests.hostile.raw_server import RawServer, drip, flood, reset, until_closed

LIMIT = 1000
HANGS_S = 60
"""What takes longer does not end."""


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


def run(
    server: RawServer, scenario: Callable[[Fetcher], Awaitable[object]], **settings: object
) -> object:
    """Runs a scenario with a fresh Fetcher that admits this server."""

    async def main() -> object:
        wanted = {"max_download_bytes": LIMIT, "download_timeout_s": 0.5} | settings
        fetcher = Fetcher(Settings(allow_private_hosts=(f"127.0.0.1:{server.port}",), **wanted))
        try:
            async with asyncio.timeout(HANGS_S):
                return await scenario(fetcher)
        finally:
            await fetcher.close()

    return asyncio.run(main())


async def get(fetcher: Fetcher, server: RawServer, path: str) -> bytes:
    async with fetcher.fetch(f"http://127.0.0.1:{server.port}{path}") as body:
        return body


def outcome(server: RawServer, path: str, **settings: object) -> bytes | CandidateError:
    """The body, or the failure."""
    try:
        return run(server, lambda fetcher: get(fetcher, server, path), **settings)
    except CandidateError as error:
        failure = error
    assert "127.0.0.1" not in str(failure)
    assert str(server.port) not in str(failure)
    return failure


def counted_connects(fetcher: Fetcher) -> Counter[str]:
    """Connects by address from now on."""
    connects: Counter[str] = Counter()
    backend = fetcher._transport._pool._network_backend._backend  # type: ignore[attr-defined]
    connect = backend.connect_tcp

    async def counted(host: str, *rest: object) -> object:
        connects[host] += 1
        return await connect(host, *rest)

    backend.connect_tcp = counted
    return connects


def test_a_dead_host_is_not_asked_fifty_times(server: RawServer) -> None:
    async def scenario(fetcher: Fetcher) -> None:
        connects = counted_connects(fetcher)
        for _ in range(50):
            with pytest.raises(DownloadFailedError, match="could not connect"):
                await get(fetcher, dead, "/")
        assert connects["127.0.0.1"] == dead_hosts.ENOUGH_FAILURES

    with RawServer() as dead:
        pass
    run(dead, scenario)


def test_a_dead_host_is_not_asked_fifty_times_at_the_same_moment(server: RawServer) -> None:
    async def scenario(fetcher: Fetcher) -> None:
        connects = counted_connects(fetcher)
        found = await asyncio.gather(
            *(get(fetcher, dead, f"/{n}") for n in range(50)), return_exceptions=True
        )
        assert {str(failure) for failure in found} == {"could not connect"}
        assert connects["127.0.0.1"] <= dead_hosts.MOST_AT_ONCE + dead_hosts.ENOUGH_FAILURES

    with RawServer() as dead:
        pass
    run(dead, scenario)


def test_fifty_at_the_same_moment_from_a_host_that_lives(server: RawServer) -> None:
    server.says("/", PICTURE)

    async def scenario(fetcher: Fetcher) -> None:
        assert set(await asyncio.gather(*(get(fetcher, server, "/") for _ in range(50)))) == {
            b"picture"
        }

    run(server, scenario, download_timeout_s=30)


@pytest.mark.parametrize("addresses", [[], ["10.0.0.1"]], ids=["unknown", "private"])
def test_a_name_that_leads_nowhere_is_looked_up_once(addresses: list[str]) -> None:
    asked = []

    async def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return addresses

    async def scenario() -> None:
        fetcher = Fetcher(Settings(), resolve=resolve)
        for number in range(50):
            with pytest.raises(UrlBlockedError, match=BLOCKED_ADDRESS):
                async with fetcher.fetch(f"http://a.test/{number}"):
                    pass
        await fetcher.close()

    asyncio.run(scenario())
    assert asked == ["a.test"]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK + b"Content-Length: 7\r\n\r\npicture", b"picture"),
        (OK + b"\r\npicture", b"picture"),  # until the connection closes
        (OK + b"Content-Length: 7\r\n\r\npictureHTTP/1.1 200 OK\r\n\r\n", b"picture"),
        (OK + b"Content-Length: 3\r\n\r\npicture", b"pic"),  # a lie, but a whole answer
        (OK + b"Transfer-Encoding: chunked\r\n\r\n7\r\npicture\r\n0\r\n\r\n", b"picture"),
        (OK + b"Content-Length: 0\r\n\r\n", b""),
        (OK + b"Content-Encoding: identity\r\n\r\npicture", b"picture"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + PICTURE, b"picture"),
        (b"HTTP/1.0 200 OK\r\n\r\npicture", b"picture"),
        (OK + b"Content-Length: %d\r\n\r\n" % LIMIT + b"x" * LIMIT, b"x" * LIMIT),
        (OK + b"\r\n" + b"x" * LIMIT, b"x" * LIMIT),
    ],
)
def test_unusual_answers_that_are_fine(answer: bytes, body: bytes, server: RawServer) -> None:
    server.says("/", answer)
    assert outcome(server, "/") == body


@pytest.mark.parametrize("name", BROKEN)
def test_broken_and_unwanted_answers_fail_with_a_sentence(name: str, server: RawServer) -> None:
    answer, says = BROKEN[name]
    server.says("/", answer)
    with pytest.raises((DownloadFailedError, TooLargeError), match=says):
        raise outcome(server, "/")  # a body is no exception, and fails here


@pytest.mark.parametrize(
    "act",
    [
        until_closed,  # stalls before the head
        lambda connection: (connection.sendall(b"HTTP/1.1 200"), until_closed(connection)),
        lambda connection: (connection.sendall(OK), until_closed(connection)),
        lambda connection: (connection.sendall(CHUNKED + b"5\r\nab"), until_closed(connection)),
        drip(b"1\r\nx\r\n"),
        drip(b""),
    ],
    ids=["silence", "half a status", "half a head", "half a chunk", "drip", "no body"],
)
def test_what_never_ends_is_cut_at_the_deadline(
    act: Callable[[socket.socket], object], server: RawServer
) -> None:
    server.acts["/"] = act
    assert isinstance(outcome(server, "/", download_timeout_s=0.3), TimedOutError)
    assert server.accepted == 2  # it was tried twice


@pytest.mark.parametrize(
    "act",
    [
        flood(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000),
        flood(OK, b"X: y\r\n" * 1000),
        flood(OK + b"X: ", b"x" * 10_000),
        flood(CHUNKED, b"1\r\nx\r\n" * 1000),
        flood(CHUNKED, b"1;" + b"x" * 10_000),
        flood(CHUNKED, b"2710\r\n" + b"x" * 10_000 + b"\r\n"),
        flood(CHUNKED + b"0\r\n", b"X: y\r\n" * 1000),
        flood(b"", b"\0" * 65536),
    ],
    ids=[
        *("interim answers", "headers", "a header", "crumbs", "a chunk extension"),
        *("chunks", "trailers", "zeros"),
    ],
)
def test_floods_end_at_a_limit_not_at_the_deadline(
    act: Callable[[socket.socket], None], server: RawServer
) -> None:
    server.acts["/"] = act
    failure = outcome(server, "/", download_timeout_s=30, max_download_bytes=10_000_000)
    assert isinstance(failure, (DownloadFailedError, TooLargeError))


@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 200", OK + b"Content-Length: 9\r\n\r\npic"])
def test_a_reset_connection_is_tried_once_more(after: bytes, server: RawServer) -> None:
    def act(connection: socket.socket) -> None:
        connection.sendall(after)
        reset(connection)

    server.acts["/"] = act
    assert isinstance(outcome(server, "/"), DownloadFailedError)
    assert server.accepted == 2
    server.acts["/"] = lambda connection: (
        act(connection) if server.accepted == 3 else connection.sendall(PICTURE)
    )
    assert outcome(server, "/") == b"picture"


def test_nobody_listening_is_a_failed_download() -> None:
    with RawServer() as server:
        pass
    assert str(outcome(server, "/")) == "could not connect"


@pytest.mark.parametrize(("redirects", "fine"), [(3, True), (4, False)])
def test_redirects_are_counted(redirects: int, fine: bool, server: RawServer) -> None:
    server.says("/0", PICTURE)
    for left in range(1, redirects + 1):
        server.says(f"/{left}", b"HTTP/1.1 302 Found\r\nLocation: /%d\r\n\r\n" % (left - 1))
    found = outcome(server, f"/{redirects}")
    assert (found == b"picture") is fine


def test_cookies_are_neither_kept_nor_sent(server: RawServer) -> None:
    server.says("/", b"HTTP/1.1 302 Found\r\nLocation: /2\r\nSet-Cookie: a=b; Path=/\r\n\r\n")
    server.says("/2", PICTURE.replace(b"\r\n\r\n", b"\r\nSet-Cookie: c=d\r\n\r\n"))

    async def twice(fetcher: Fetcher) -> None:
        for _ in range(2):
            await get(fetcher, server, "/")

    run(server, twice)
    assert len(server.requests) == 4
    assert not any(b"ookie" in request for request in server.requests)
    assert all(b"Accept-Encoding: identity\r\n" in request for request in server.requests)


def test_one_slow_host_leaves_places_for_others() -> None:
    with RawServer() as slow, RawServer() as quick:
        slow.acts["/"] = until_closed
        quick.says("/", PICTURE)

        async def main() -> None:
            hosts = ("slow.test", "quick.test")
            settings = Settings(
                allow_private_hosts=(f"slow.test:{slow.port}", f"quick.test:{quick.port}"),
                max_downloads=8,
                download_timeout_s=30,
            )

            async def resolve(host: str, _: int) -> list[str]:
                assert host in hosts
                return ["127.0.0.1"]

            async def ask(name: str, server: RawServer) -> bytes:
                async with fetcher.fetch(f"http://{name}:{server.port}/") as body:
                    return body

            fetcher = Fetcher(settings, resolve=resolve)
            stuck = [asyncio.ensure_future(ask("slow.test", slow)) for _ in range(50)]
            async with asyncio.timeout(10):
                assert await asyncio.gather(*(ask("quick.test", quick) for _ in range(20)))
            assert not any(task.done() for task in stuck)
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
            async with asyncio.timeout(10):  # their places are free again
                assert await ask("quick.test", quick) == b"picture"
            await fetcher.close()

        asyncio.run(main())


@asynccontextmanager
async def one_request_over(
    names: list[str], server: RawServer, **settings: Any
) -> AsyncIterator[Callable[[str, str, Asker], Awaitable[bytes]]]:
    """While one request downloads /slow from each of these hosts: how others ask."""

    async def resolve(_: str, __: int) -> list[str]:
        return ["127.0.0.1"]

    async def ask(host: str, path: str, asker: Asker) -> bytes:
        url = f"http://{host}:{server.port}{path}"
        async with fetcher.fetch(url, asker=asker) as body:
            return body

    admitted = tuple(f"{name}:{server.port}" for name in names)
    fetcher = Fetcher(
        Settings(allow_private_hosts=admitted, download_timeout_s=30, **settings), resolve=resolve
    )
    one = Asker()
    greedy = [asyncio.ensure_future(ask(name, "/slow", one)) for name in names]
    async with asyncio.timeout(10):
        yield ask
    for task in greedy:
        task.cancel()
    await asyncio.gather(*greedy, return_exceptions=True)
    await fetcher.close()


def test_a_request_over_many_slow_hosts_leaves_places_for_others(server: RawServer) -> None:
    server.acts["/slow"] = until_closed
    server.says("/", PICTURE)

    async def main() -> None:
        names = [f"{number}.test" for number in range(50)]
        async with one_request_over(names, server, max_downloads=8) as ask:
            assert await ask("0.test", "/", Asker()) == b"picture"
            # Two that ask at the same time share what there is, whoever came first.
            other = Asker()
            late = asyncio.gather(*(ask(name, "/", other) for name in names))
            assert set(await late) == {b"picture"}

    asyncio.run(main())


def test_a_host_that_keeps_silent_is_given_up_on_by_the_one_request_it_lets_down(
    server: RawServer,
) -> None:
    server.acts["/silent"] = until_closed
    server.says("/", PICTURE)

    async def main() -> None:
        fetcher = Fetcher(
            Settings(allow_private_hosts=(f"127.0.0.1:{server.port}",), download_timeout_s=0.3)
        )

        async def ask(path: str, asker: Asker) -> bytes:
            async with fetcher.fetch(f"http://127.0.0.1:{server.port}{path}", asker=asker) as body:
                return body

        async def asked(paths: list[str], asker: Asker) -> int:
            before = len(server.requests)
            for path in paths:
                with pytest.raises(TimedOutError):
                    await ask(path, asker)
            return len(server.requests) - before

        let_down, heard = Asker(), Asker()
        assert await asked(["/silent"] * 9, let_down) == 2 * -(-ENOUGH_SILENCES // 2)
        assert await ask("/", heard) == b"picture"
        assert await asked(["/silent"] * 3, heard) == 6
        await fetcher.close()

    asyncio.run(main())


def test_a_free_place_goes_to_who_holds_the_fewest() -> None:
    async def main() -> None:
        slots = Slots(5)
        order: list[str] = []
        go = asyncio.Event()
        askers = {"a": Asker(), "b": Asker(), "c": Asker(), "p": Asker(background=True)}

        async def hold(request: str, host: str) -> None:
            async with slots.hold(askers[request], host):
                order.append(request + host)
                await go.wait()

        wanted = ["a1", "a1", "a1", "a1", "a2", "a2", "b1", "b2", "p3", "c1"]
        tasks = [asyncio.ensure_future(hold(*one)) for one in wanted]
        for _ in range(5):
            await asyncio.sleep(0)
        assert order == ["a1", "a1", "a1", "a2", "b2"]  # no request, and no host, holds all five
        go.set()
        await asyncio.gather(*tasks)
        assert sorted(order) == sorted(wanted)
        assert order[5] == "c1"  # holds nothing when a place is free
        assert order[-1] == "p3"  # nobody waits for it

    asyncio.run(main())


async def settle() -> None:
    """Lets every task go on until it waits for something."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_there_are_no_more_places_than_there_are_and_they_come_back() -> None:
    async def main() -> None:
        slots = Slots(3)
        inside: list[str] = []

        async def hold(name: str) -> None:
            async with slots.hold(Asker(), name):
                inside.append(name)
                await asyncio.Event().wait()

        def begin(names: str) -> list[asyncio.Task[None]]:
            return [asyncio.create_task(hold(name)) for name in names]

        tasks = begin("abcdef")
        await settle()
        assert inside == ["a", "b", "c"]
        tasks[0].cancel()  # has a place
        tasks[3].cancel()  # waits for one
        await settle()
        assert inside == ["a", "b", "c", "e"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        inside.clear()
        tasks = begin("abcd")
        await settle()
        assert inside == ["a", "b", "c"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_downloads_at_once_are_bounded_until_their_block_ends(server: RawServer) -> None:
    server.says("/", PICTURE)

    async def scenario(fetcher: Fetcher) -> None:
        inside = most = 0

        async def one() -> None:
            nonlocal inside, most
            async with fetcher.fetch(f"http://127.0.0.1:{server.port}/"):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.01)
                inside -= 1

        await asyncio.gather(*(one() for _ in range(40)))
        assert most == 6  # three quarters of eight for one host

    run(server, scenario, max_downloads=8)


def test_big_bodies_at_once_are_bounded_and_waiting_for_a_place_costs_no_time(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "BIG_BODY_BYTES", 100)
    monkeypatch.setattr(fetch_module, "BIG_BODIES", 3)  # of which one host gets two
    server.says("/big", OK + b"\r\n" + b"x" * 500)
    server.says("/small", OK + b"\r\n" + b"x" * 50)

    async def scenario(fetcher: Fetcher) -> None:
        inside = most = 0

        async def one() -> None:
            nonlocal inside, most
            async with fetcher.fetch(f"http://127.0.0.1:{server.port}/big"):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.2)
                inside -= 1

        big = asyncio.gather(*(one() for _ in range(10)))
        await get(fetcher, server, "/small")
        await big
        assert most == 2

    # The last waits 0.8 s for its place, which is longer than a download and its retry may take.
    run(server, scenario, download_timeout_s=0.3)


def test_a_request_of_slow_big_bodies_leaves_a_place_for_another_one(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "BIG_BODY_BYTES", 100)
    big = OK + b"Content-Length: 500\r\n\r\n" + b"x" * 400
    server.acts["/slow"] = lambda connection: (connection.sendall(big), until_closed(connection))
    server.says("/big", big + b"x" * 100)
    server.says("/small", PICTURE)

    async def main() -> None:
        names = [f"{number}.test" for number in range(2 * fetch_module.BIG_BODIES)]
        async with one_request_over(names, server) as ask:
            while len(server.requests) < len(names):
                await ask("0.test", "/small", Asker())
            await ask("0.test", "/small", Asker())
            assert len(await ask("0.test", "/big", Asker())) == 500

    asyncio.run(main())


def test_a_big_body_that_stalls_after_its_wait_is_cut_at_the_deadline(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "BIG_BODY_BYTES", 100)
    server.acts["/"] = lambda connection: (
        connection.sendall(OK + b"\r\n" + b"x" * 500),
        until_closed(connection),
    )
    assert isinstance(outcome(server, "/", download_timeout_s=0.3), TimedOutError)


async def everything_is_given_back(fetcher: Fetcher) -> None:
    """Waits for what was given up last to be cleaned up, then looks for what was not."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=10)
    pool = fetcher._transport._pool
    assert pool._requests == []
    assert all(connection.is_idle() for connection in pool.connections), pool.connections


class CancelledAtStep:
    """Awaits a coroutine and cancels it as it is woken for the n-th time."""

    def __init__(self, coroutine: Coroutine[object, object, object], step: int) -> None:
        self._inner = coroutine.__await__()
        self._left = step

    def __await__(self) -> Generator[object, object, object]:
        waiting = next(self._inner)
        while True:
            sent = yield waiting
            self._left -= 1
            try:
                if self._left == 0:
                    waiting = self._inner.throw(asyncio.CancelledError())
                else:
                    waiting = self._inner.send(sent)
            except StopIteration as end:
                return end.value


def test_a_download_cancelled_at_any_step_gives_its_connection_back(server: RawServer) -> None:
    server.says("/", OK + b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000)

    async def scenario(fetcher: Fetcher) -> None:
        for step in range(1, 80):
            with suppress(asyncio.CancelledError):
                await CancelledAtStep(get(fetcher, server, "/"), step)
            await everything_is_given_back(fetcher)

    run(server, scenario, max_download_bytes=300_000, download_timeout_s=30)


def test_downloads_given_up_at_any_moment_leave_nothing_behind(server: RawServer) -> None:
    server.says("/", OK + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000)
    server.acts["/drip"] = drip(b"1\r\nx\r\n", 0.002)
    server.acts["/stall"] = until_closed
    server.acts["/half"] = lambda connection: (connection.sendall(OK), until_closed(connection))
    chance = random.Random(4)

    async def scenario(fetcher: Fetcher) -> None:
        async def one() -> None:
            path = chance.choice(["/", "/", "/drip", "/stall", "/half"])
            download = asyncio.ensure_future(get(fetcher, server, path))
            await asyncio.wait({download}, timeout=chance.random() * 0.03)
            for _ in range(chance.randint(1, 3)):  # again while it is still cleaning up
                download.cancel()
                await asyncio.sleep(0)
            with suppress(asyncio.CancelledError, CandidateError):
                await download

        for _ in range(20):
            await asyncio.gather(*(one() for _ in range(50)))
        await everything_is_given_back(fetcher)
        assert len(await get(fetcher, server, "/")) == 100_000

    files = psutil.Process().num_fds()
    threads = set(threading.enumerate())
    run(server, scenario, max_downloads=64, max_download_bytes=100_000)
    gc.collect()
    end = time.monotonic() + 10
    while psutil.Process().num_fds() > files or set(threading.enumerate()) > threads:
        assert time.monotonic() < end, "files or threads are left over"
        time.sleep(0.01)
