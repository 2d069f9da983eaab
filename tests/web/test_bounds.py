"""Connections and their limits under a small app of the tests' own, where time is short."""

import asyncio
import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvicorn

from clip_ranker.web import connections
from clip_ranker.web.asgi import Receive, Scope, Send
from clip_ranker.web.connections import Wait

OPEN = 8
"""Connections the servers below allow; clients here open twice as many."""
LARGE, HUGE = 8_000_000, 16_000_000
"""Bytes, more than the kernel keeps for a client that does not read."""
OK = b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"
GET_LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
UPLOAD = b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
CHUNKED = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Bounds(uvicorn.Server):
    """uvicorn in a thread."""

    def __init__(self, protocol: type[asyncio.Protocol], listening: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                self._app, interface="asgi3", http=protocol, lifespan="off", log_config=None
            )
        )
        self.release = threading.Event()
        self._listening = listening
        self._thread = threading.Thread(target=self.run, kwargs={"sockets": [listening]})
        self._thread.start()

    def connect(self) -> socket.socket:
        client = socket.socket(self._listening.family)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(20)
        client.connect(self._listening.getsockname())
        return client

    def opened(self) -> int:
        """How many connections there are now."""
        return len(self.server_state.connections)

    def waiting(self, wait: Wait) -> int:
        """How many of them wait for that."""
        return sum(one.waits_for is wait for one in list(self.server_state.connections))

    def close(self) -> None:
        self.release.set()
        self.should_exit = self.force_exit = True
        self._thread.join()
        self._listening.close()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, body = scope["path"], b"ok"
        if path == "/length":
            body, more = b"", True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body, more = body + message["body"], message["more_body"]
            body = b"%d" % len(body)
        elif path == "/work":
            await asyncio.to_thread(self.release.wait)
        elif path in ("/large", "/large-then-work"):
            body = b"x" * LARGE
        elif path == "/huge":
            body = b"x" * HUGE
        length = len(body) + 2 * (path == "/large-then-work")
        headers = [(b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "/large-then-work":
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.to_thread(self.release.wait)
            body = b"ok"
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bounds]]:
    """Makes servers; their clients have a minute for everything by default."""
    with ExitStack() as servers:

        def make(
            head_s: float = 60,
            send_s: float = 60,
            most: int = OPEN,
            listening: socket.socket | None = None,
        ) -> Bounds:
            monkeypatch.setattr(connections, "SEND_TIMEOUT_S", send_s)
            monkeypatch.setattr(connections, "HTTP_PROTOCOLS", protocols := {})
            connections.bound(most=most, head_timeout_s=head_s)
            listening = listening or socket.create_server(("127.0.0.1", 0), backlog=100)
            server = Bounds(protocols["auto"], listening)
            servers.callback(server.close)
            return server

        yield make


def until(holds: Callable[[], bool]) -> None:
    """Waits for it."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def answer(client: socket.socket, every_s: float = 0, piece: int = 262_144) -> bytes:
    """The body of the next answer, read in pieces with pauses."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += client.recv(1)
    length = re.search(rb"content-length: (\d+)", read.lower())
    assert length
    body = bytearray()
    while len(body) < int(length[1]):
        received = client.recv(min(piece, int(length[1]) - len(body)))
        assert received, "cut off"
        body += received
        time.sleep(every_s)
    return bytes(body)


def rest(client: socket.socket) -> bytes:
    """What comes until the connection ends, by a reset too."""
    read = bytearray()
    with contextlib.suppress(ConnectionError):
        while received := client.recv(65536):
            read += received
    return bytes(read)


@pytest.mark.parametrize(
    ("start", "wait"),
    [
        (b"", Wait.HEAD),
        (b"GET / HT", Wait.HEAD),
        (UPLOAD, Wait.BODY),
        (GET_LARGE, Wait.TAKE),
        (GET_LARGE * 20, Wait.TAKE),
        (OK * 20 + GET_LARGE, Wait.TAKE),
    ],
    ids=["silence", "half a head", "half an upload", "unread", "many unread", "unread behind"],
)
def test_whoever_waits_makes_room(bounds: Callable[..., Bounds], start: bytes, wait: Wait) -> None:
    server = bounds()
    with ExitStack() as held:
        clients: list[socket.socket] = []
        for _ in range(2 * OPEN):
            clients.append(held.enter_context(server.connect()))
            clients[-1].sendall(start)
            until(lambda: server.waiting(wait) >= min(len(clients), OPEN))
        with server.connect() as fresh:
            fresh.sendall(OK)
            assert answer(fresh) == b"ok"
        until(lambda: server.opened() <= OPEN)
        for client in clients[:OPEN]:  # the oldest; their answers are not whole
            assert len(rest(client)) < LARGE


def test_the_silent_make_room_before_uploads(
    bounds: Callable[..., Bounds], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SILENT_S", 0.1)
    server = bounds(most=3)
    with ExitStack() as held:
        upload = held.enter_context(server.connect())
        upload.sendall(UPLOAD)
        until(lambda: server.waiting(Wait.BODY) == 1)
        silent = [held.enter_context(server.connect()) for _ in range(2)]
        until(lambda: server.opened() == 3)
        time.sleep(0.2)
        with server.connect() as fresh:
            fresh.sendall(OK)
            assert answer(fresh) == b"ok"
        assert rest(silent[0]) == b""
        upload.sendall(b"x" * 8)
        assert answer(upload) == b"9"


def test_whom_the_service_works_for_stays_and_nobody_else_comes(
    bounds: Callable[..., Bounds],
) -> None:
    server = bounds()
    with ExitStack() as held:
        clients = [held.enter_context(server.connect()) for _ in range(OPEN)]
        for client in clients:
            client.sendall(POST % b"/work")
        until(lambda: len(server.server_state.tasks) == OPEN)
        for _ in range(3):
            with server.connect() as late:
                assert rest(late) == b""
        server.release.set()
        assert [answer(client) for client in clients] == [b"ok"] * OPEN


def test_requests_sent_ahead_hold_no_place(bounds: Callable[..., Bounds]) -> None:
    server = bounds(most=1)
    with server.connect() as client:
        client.sendall(POST % b"/ok" + POST % b"/work")
        assert answer(client) == b"ok"
        with server.connect() as fresh:
            fresh.sendall(OK)
            assert answer(fresh) == b"ok"
        assert rest(client) == b""


def test_requests_in_one_piece_are_answered_in_turn(bounds: Callable[..., Bounds]) -> None:
    server = bounds()
    with server.connect() as client:
        client.sendall(OK + GET_LARGE + POST % b"/length" + OK)
        assert [len(answer(client)) for _ in range(4)] == [2, LARGE, 1, 2]


def test_a_client_that_reads_slowly_gets_it_all(bounds: Callable[..., Bounds]) -> None:
    """Long after the service is done with the answer, and longer than either limit."""
    server = bounds(head_s=0.3, send_s=0.5)
    with server.connect() as client:
        client.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(answer(client, every_s=0.02)) == HUGE


@pytest.mark.parametrize("path", [b"/large", b"/large-then-work"])
def test_a_client_that_does_not_read_is_left(bounds: Callable[..., Bounds], path: bytes) -> None:
    server = bounds(send_s=0.4)
    with server.connect() as client:
        client.sendall(POST % path)
        until(lambda: server.opened() == 1)
        until(lambda: server.opened() == 0)
        assert len(rest(client)) < LARGE


def test_a_client_that_has_read_has_no_limit(bounds: Callable[..., Bounds]) -> None:
    server = bounds(head_s=0.4, send_s=0.4)
    with server.connect() as client:
        client.sendall(POST % b"/large-then-work")
        time.sleep(0.1)  # it is behind
        threading.Timer(1, server.release.set).start()
        assert len(answer(client)) == LARGE + 2


def test_a_connection_may_be_used_again(bounds: Callable[..., Bounds]) -> None:
    """The limit for a head ends when there is one, and begins behind the answer."""
    server = bounds(head_s=0.4)
    with server.connect() as client:
        client.sendall(OK)
        assert answer(client) == b"ok"
        client.sendall(POST % b"/work")
        threading.Timer(1, server.release.set).start()
        assert answer(client) == b"ok"
        assert rest(client) == b""


@pytest.mark.parametrize("path", [b"/length", b"/ok"], ids=["a body", "what was refused"])
def test_a_body_in_crumbs_ends(bounds: Callable[..., Bounds], path: bytes) -> None:
    server = bounds()
    with server.connect() as client, contextlib.suppress(ConnectionError):
        client.sendall(CHUNKED % path)
        while True:
            client.sendall(b"1\r\nx\r\n" * 1000)


def test_a_body_in_an_encoders_tokens_is_taken(bounds: Callable[..., Bounds]) -> None:
    server = bounds()
    with server.connect() as client:
        client.sendall(CHUNKED % b"/length" + b"a\r\n0123456789\r\n" * 3000)
        client.sendall(
            b"f4240\r\n" + b"x" * 10**6 + b"\r\n" + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n"
        )
        assert answer(client) == b"%d" % (30_000 + 10**6 + 10_000)


def test_a_client_has_its_turn_with_a_little_at_a_time(
    bounds: Callable[..., Bounds], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = bounds()
    protocol = connections.HTTP_PROTOCOLS["auto"]
    sizes = []

    def noting(self: asyncio.Protocol, data: bytes) -> None:
        sizes.append(len(data))
        received(self, data)

    received = protocol.data_received
    monkeypatch.setattr(protocol, "data_received", noting)
    with server.connect() as client:
        client.sendall(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
        client.sendall(b"x" * 500_000)
        assert answer(client) == b"500000"
    assert max(sizes) <= connections.READ_BYTES


def test_a_request_has_one_answer(bounds: Callable[..., Bounds]) -> None:
    server = bounds()
    with server.connect() as client:
        client.sendall(CHUNKED % b"/ok")
        assert answer(client) == b"ok"
        client.sendall(b"garbage\r\n")
        assert rest(client) == b""
    with server.connect() as client:  # garbage behind a request that is whole is another's
        client.sendall(OK + b"garbage\r\n\r\n")
        assert answer(client) == b"ok"
        assert rest(client).startswith(b"HTTP/1.1 400 ")


def test_a_private_socket_has_no_limits(bounds: Callable[..., Bounds], tmp_path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "private"))
    listening.listen()
    server = bounds(head_s=0.2, most=1, listening=listening)
    with ExitStack() as held:
        clients = [held.enter_context(server.connect()) for _ in range(3)]
        time.sleep(0.5)
        for client in clients:
            client.sendall(OK)
            assert answer(client) == b"ok"
