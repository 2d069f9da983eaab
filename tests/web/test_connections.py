"""Clients that connect and bring no request, or take no answer, against a running service."""

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
import uvicorn

from clip_ranker.web import connections
from clip_ranker.web.asgi import Receive, Scope, Send
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import Service

OPEN = 40
"""Of the service below; clients here open twice as many."""
UPLOAD = b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"


@pytest.fixture
def bounded(serve: Callable[..., Service]) -> Service:
    return serve(CLIP_MAX_CONNECTIONS=str(OPEN), CLIP_HEAD_TIMEOUT_S="1")


def connect(service: Service) -> socket.socket:
    url = httpx.URL(service.url)
    return socket.create_connection((url.host, url.port or 80), timeout=20)


def ends(client: socket.socket) -> bool:
    """True once the service has closed or reset the connection; waits for it."""
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET /healthz HT",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: y",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea",  # another one begins
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 9\r\n\r\n{",  # a 415
    ],
    ids=["silence", "half a line", "half a head", "half of a second head", "rest of a body"],
)
def test_a_connection_that_brings_no_request_ends(bounded: Service, start: bytes) -> None:
    with connect(bounded) as client:
        client.sendall(start)
        assert ends(client)


def test_a_dripping_head_does_not_keep_a_connection(bounded: Service) -> None:
    with connect(bounded) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: ")
        client.settimeout(0.1)
        end = time.monotonic() + 20
        while True:
            assert time.monotonic() < end
            try:
                client.sendall(b"x")
                if not client.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break


@pytest.mark.parametrize("start", [b"", b"GET / HT", UPLOAD], ids=["silence", "head", "upload"])
def test_health_is_answered_whoever_waits(serve: Callable[..., Service], start: bytes) -> None:
    patient = serve(CLIP_MAX_CONNECTIONS=str(OPEN), CLIP_HEAD_TIMEOUT_S="60")
    with ExitStack() as held:
        clients = [held.enter_context(connect(patient)) for _ in range(2 * OPEN)]
        for client in clients:
            client.sendall(start)
        with httpx.Client(trust_env=False) as fresh:
            assert fresh.get(f"{patient.url}/healthz").text == "ok"
        assert all(ends(client) for client in clients[:OPEN])  # the oldest made room
        clients[-1].settimeout(0)
        with pytest.raises(BlockingIOError):
            clients[-1].recv(1)


def test_a_request_under_way_is_left_alone(bounded: Service, images: ImageServer) -> None:
    """It takes longer than a head may, and everybody else is told to make room."""
    late = images.url("/slow?s=1.5&under-way")
    with ThreadPoolExecutor(1) as pool, ExitStack() as held:
        answer = pool.submit(bounded.ranked, query=PHOTOS["cat"], candidates=[late])
        while not images.hits["/slow"]:
            time.sleep(0.01)
        for _ in range(2 * OPEN):
            held.enter_context(connect(bounded))
        assert answer.result()["meta"]["succeeded"] == 1


def test_a_client_that_takes_no_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server of its own: the service gives a client half a minute."""
    monkeypatch.setattr(connections, "SEND_TIMEOUT_S", 0.2)
    monkeypatch.setattr(connections, "HTTP_PROTOCOLS", protocols := {})
    connections.bound(most=OPEN, head_timeout_s=10)
    ended = asyncio.Event()

    async def large(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x" * 10**6, "more_body": True})
        ended.set()

    async def scenario() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(large, http=protocols["auto"], lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        with socket.create_connection(listening.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(10):
                await ended.wait()
        server.should_exit = True
        await serving

    asyncio.run(scenario())


def test_garbage_is_answered_in_the_one_shape(bounded: Service) -> None:
    with connect(bounded) as client:
        client.sendall(b"NOT HTTP\r\n\r\n")
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert connections.NOT_HTTP.encode() in answer
        assert b'"detail": []' in answer
