"""Clients that connect and bring no request, against a running service."""

import base64
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from clip_ranker.web import connections
from clip_ranker.web.version import HEADER
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import Service

OPEN = 40
"""Of the service below; clients here open twice as many."""


@pytest.fixture
def bounded(serve: Callable[..., Service]) -> Service:
    return serve(CLIP_MAX_CONNECTIONS=str(OPEN), CLIP_HEAD_TIMEOUT_S="0.5")


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


@pytest.mark.parametrize("path", ["/rank", "/rank/stream"])
def test_a_request_under_way_is_left_alone(
    bounded: Service, images: ImageServer, path: str
) -> None:
    """It takes longer than a head may, and everybody else is told to make room."""
    late = images.url(f"/slow?s=1&under-way={path}")
    body = {
        "query_image_base64": base64.b64encode(PHOTOS["cat"]).decode(),
        "candidates": [{"auction_id": "1", "image_url": late}],
    }
    before = images.hits["/slow"]
    with ThreadPoolExecutor(1) as pool, ExitStack() as held:
        answer = pool.submit(bounded.client.post, path, json=body)
        while images.hits["/slow"] == before:
            time.sleep(0.01)
        for _ in range(2 * OPEN):
            held.enter_context(connect(bounded))
        assert '"succeeded":1' in answer.result().text


def test_garbage_is_answered_in_the_one_shape(bounded: Service) -> None:
    def refused() -> float:
        counted = re.search(
            r'^clip_ranker_requests_refused_total{status="400"} (\S+)$',
            bounded.client.get("/metrics").text,
            re.M,
        )
        return float(counted[1]) if counted else 0

    before = refused()
    with connect(bounded) as client:
        client.sendall(b"NOT HTTP\r\n\r\n")
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert f"{HEADER}: ".encode() in answer
        assert connections.NOT_HTTP.encode() in answer
        assert b'"detail": []' in answer
    assert refused() == before + 1
    assert f'{{"status":400,"error":"{connections.NOT_HTTP}"}}' in bounded.log()
