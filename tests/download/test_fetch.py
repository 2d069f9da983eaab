"""Whatever a server does ends as a body or as one typed failure, in bounded time and memory."""

import asyncio
import gc
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from types import SimpleNamespace

import anyio
import psutil
import pytest

from clip_ranker.download import answer, hosts
from clip_ranker.download.fetch import Fetcher
from clip_ranker.download.hosts import ENOUGH_SILENCES, Asker
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
    return await fetcher.fetch(fetcher.check(f"http://127.0.0.1:{server.port}{path}"))


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
        assert connects["127.0.0.1"] == hosts.ENOUGH_FAILURES

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
        assert connects["127.0.0.1"] <= hosts.MOST_CONNECTS + hosts.ENOUGH_FAILURES

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


def test_a_download_looks_for_no_module(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.says("/", PICTURE)

    async def scenario(fetcher: Fetcher) -> None:
        await get(fetcher, server, "/")
        looked_for: list[str] = []
        finder = SimpleNamespace(find_spec=lambda name, *_: looked_for.append(name))
        monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
        await get(fetcher, server, "/")
        # The disk, in every folder, each time: a module that is not there is not remembered.
        assert looked_for == []

    run(server, scenario)


@pytest.mark.parametrize("addresses", [[], ["10.0.0.1"]], ids=["unknown", "private"])
def test_a_name_that_leads_nowhere_is_looked_up_once(addresses: list[str]) -> None:
    asked = []

    async def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return addresses

    async def scenario() -> None:
        fetcher = Fetcher(Settings(), resolve=resolve)
        for number in range(50):
            with pytest.raises(UrlBlockedError, match="no address on the public internet"):
                await fetcher.fetch(fetcher.check(f"http://a.test/{number}"))
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


async def ask(
    fetcher: Fetcher, server: RawServer, path: str, *askers: Asker
) -> bytes | CandidateError:
    """The body or the failure of a picture that these requests want."""
    url = fetcher.check(f"http://127.0.0.1:{server.port}{path}")
    try:
        return await fetcher.fetch(url, askers=lambda: askers)
    except CandidateError as failure:
        return failure


def let_down() -> Asker:
    """A request that the server has left without an answer often enough."""
    asker = Asker()
    for _ in range(ENOUGH_SILENCES):
        asker.silent("127.0.0.1")
    assert asker.gives_up_on("127.0.0.1")
    return asker


def test_what_one_request_learnt_of_a_host_never_fails_another(server: RawServer) -> None:
    server.acts["/silent"] = until_closed

    async def scenario(fetcher: Fetcher) -> None:
        async def tried(*askers: Asker) -> int:
            before = len(server.requests)
            failure = await ask(fetcher, server, "/silent", *askers)
            assert str(failure) == "no complete answer within 0.5 s"
            return len(server.requests) - before

        assert await tried(let_down()) == 1  # each attempt is its own, and says what it saw
        assert await tried(let_down(), Asker()) == 2
        assert await tried() == 2

    run(server, scenario)


def test_all_who_want_a_picture_learn_whether_its_host_answers(server: RawServer) -> None:
    server.acts["/silent"] = until_closed
    server.says("/", PICTURE)

    async def answering(fetcher: Fetcher, path: str) -> None:
        one, other = let_down(), let_down()
        await ask(fetcher, server, path, one, other)
        assert not one.gives_up_on("127.0.0.1")
        assert not other.gives_up_on("127.0.0.1")

    async def silent(fetcher: Fetcher) -> None:
        one, other = Asker(), Asker()
        for _ in range(2):
            await ask(fetcher, server, "/silent", one, other)
        assert one.gives_up_on("127.0.0.1")
        assert other.gives_up_on("127.0.0.1")

    for path in ("/", "/missing"):  # any answer is one; on a connection that was not used before
        run(server, partial(answering, path=path), download_timeout_s=30)
    run(server, silent)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("says", "at_least_s"),
    [
        (lambda: "1", 1),
        (lambda: formatdate(time.time() + 2, usegmt=True), 0.9),  # whole seconds, rounded down
        (lambda: "0", 0),
        (lambda: formatdate(0, usegmt=True), 0),
        (lambda: "soon", answer.A_MOMENT_S),
        (lambda: "-1", answer.A_MOMENT_S),
        (lambda: "", answer.A_MOMENT_S),
    ],
    ids=["seconds", "date", "zero", "past", "nonsense", "negative", "nothing"],
)
def test_a_busy_server_is_given_the_time_it_asks_for(
    says: Callable[[], str], at_least_s: float, status: int, server: RawServer
) -> None:
    asked: list[float] = []

    def act(connection: socket.socket) -> None:
        asked.append(time.monotonic())
        busy = f"HTTP/1.1 {status} Busy\r\nRetry-After: {says()}\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(PICTURE if len(asked) == 2 else busy.encode())

    server.acts["/"] = act
    assert outcome(server, "/", download_timeout_s=10) == b"picture"
    assert asked[1] - asked[0] >= at_least_s


@pytest.mark.parametrize("after", ["31", "9" * 400, "Wed, 01 Jan 3000 00:00:00 GMT"])
def test_who_asks_for_more_time_than_there_is_is_not_asked_again(
    after: str, server: RawServer
) -> None:
    busy = f"HTTP/1.1 429 Busy\r\nRetry-After: {after}\r\nContent-Length: 0\r\n\r\n"
    server.says("/", busy.encode())
    assert str(outcome(server, "/", download_timeout_s=30)) == "HTTP 429"
    assert server.accepted == 1


def test_clients_that_leave_during_a_look_up_make_no_host_dead(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "PATIENCE_S", 0)
    server.says("/", PICTURE)

    async def scenario() -> None:
        looking_up, all_left = asyncio.Semaphore(0), asyncio.Event()

        async def resolve(_: str, __: int) -> list[str]:
            looking_up.release()
            await all_left.wait()
            return ["127.0.0.1"]

        settings = Settings(allow_private_hosts=(f"a.test:{server.port}",), download_timeout_s=30)
        fetcher = Fetcher(settings, resolve=resolve)
        url = fetcher.check(f"http://a.test:{server.port}/")
        for _ in range(2 * hosts.ENOUGH_FAILURES):
            client = asyncio.create_task(fetcher.fetch(url))
            async with asyncio.timeout(HANGS_S):
                await looking_up.acquire()
            client.cancel()
            with pytest.raises(asyncio.CancelledError):
                await client
        all_left.set()
        assert await fetcher.fetch(url) == b"picture"
        await fetcher.close()

    asyncio.run(scenario())


def test_a_big_body_grows_once_an_attempt_and_waiting_for_it_costs_no_time(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "BIG_BODY_BYTES", 100)
    big, sent = OK + b"Content-Length: 500\r\n\r\n", threading.Event()

    def act(connection: socket.socket) -> None:
        connection.sendall(big + b"x" * 400)
        if server.accepted > 1:  # the first breaks off
            sent.wait(HANGS_S)
            connection.sendall(b"x" * 100)

    server.acts["/"] = act
    server.says("/small", OK + b"\r\n" + b"x" * 50)
    grown: list[float] = []

    async def grow() -> None:
        await anyio.sleep(2.5)  # longer than an attempt may take
        grown.append(time.monotonic())
        if len(grown) == 2:
            sent.set()

    async def scenario(fetcher: Fetcher) -> None:
        url = fetcher.check(f"http://127.0.0.1:{server.port}/")
        assert await fetcher.fetch(url.join("/small"), grow=grow) == b"x" * 50
        assert grown == []
        assert await fetcher.fetch(url, grow=grow) == b"x" * 500
        assert len(grown) == 2

    run(server, scenario, download_timeout_s=2)


def test_nothing_grows_when_its_download_has_been_given_up(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "BIG_BODY_BYTES", 100)
    server.says("/", OK + b"\r\n" + b"x" * 500)

    async def scenario(fetcher: Fetcher) -> None:
        growing, ended = asyncio.Event(), asyncio.Event()

        async def grow() -> None:
            growing.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        url = fetcher.check(f"http://127.0.0.1:{server.port}/")
        download = asyncio.create_task(fetcher.fetch(url, grow=grow))
        await growing.wait()
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        assert ended.is_set()

    run(server, scenario)


def test_a_big_body_that_stalls_after_its_wait_is_cut_at_the_deadline(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "BIG_BODY_BYTES", 100)
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
