"""What waits for whom: long requests are never cut off, and slow clients hold little."""

import base64
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil
import pytest

from clip_ranker.web.body import MOST_BODIES
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import Service

FAST_SERVER = Path(sys.prefix) / "fast-server"
"""uvloop and httptools, for a process that has this on its path; ``make test`` puts them there."""
LONG_S = 30
"""Of a request; all limits on waiting for a client are set to less."""


@pytest.fixture
def fast_server() -> Path:
    """A folder to put on a process's path, so that it finds uvloop and httptools."""
    assert (FAST_SERVER / "uvloop").is_dir(), "make test installs it"
    return FAST_SERVER


def test_a_long_request_is_not_cut_off_with_uvloop_and_httptools_or_without(
    serve: Callable[..., Service], fast_server: Path, images: ImageServer
) -> None:
    limits = {"CLIP_UPLOAD_TIMEOUT_S": "2", "CLIP_DOWNLOAD_TIMEOUT_S": "60"}
    limits |= {"CLIP_MAX_CONNECTIONS": "1", "CLIP_HEAD_TIMEOUT_S": "1"}  # of before: of no effect
    plain, fast = serve(**limits), serve(**limits, PYTHONPATH=str(fast_server))
    assert loads_uvloop(plain) == bool(find_spec("uvloop"))
    assert loads_uvloop(fast)

    def ask(service: Service, path: str) -> str:
        late = images.url(f"/slow?s={LONG_S}&for={service.url}{path}")
        return service.client.post(path, json=request(late)).text

    with ThreadPoolExecutor() as clients:
        asked = [
            clients.submit(ask, service, path)
            for service in (plain, fast)
            for path in ("/rank", "/rank/stream")
        ]
    for answer in asked:
        assert '"succeeded":1' in answer.result()


def request(url: str) -> dict[str, object]:
    """A body of /rank."""
    photo = base64.b64encode(PHOTOS["cat"]).decode()
    return {"query_image_base64": photo, "candidates": [{"auction_id": "1", "image_url": url}]}


def connect(service: Service) -> socket.socket:
    url = httpx.URL(service.url)
    return socket.create_connection((url.host, url.port or 80), timeout=60)


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def loads_uvloop(service: Service) -> bool:
    return any("uvloop" in file.path for file in psutil.Process.memory_maps(api(service)))


def api(service: Service) -> psutil.Process:
    [found] = (one for one in service.processes() if "ClipRanker" in one.cmdline())
    return found


def test_half_uploads_are_limited_in_number(serve: Callable[..., Service]) -> None:
    """Else those that come through Caddy could take all open files of the process."""
    service = serve(CLIP_MAX_BODIES_BYTES="1000000", CLIP_UPLOAD_TIMEOUT_S="600")
    lines = ["POST /rank HTTP/1.1", "Host: x", "Content-Type: application/json"]
    upload = "\r\n".join([*lines, "Content-Length: 9", "", "{"]).encode()
    with ExitStack() as clients:

        def one_more_is_refused() -> bool:
            """This request too holds a place for a moment, perhaps the last upload's."""
            clients.enter_context(connect(service)).sendall(upload)
            return service.client.post("/rank", json={}).status_code == 429

        for _ in range(MOST_BODIES):
            clients.enter_context(connect(service)).sendall(upload)
        wait_until(one_more_is_refused)
        assert service.client.get("/healthz").text == "ok"
        elsewhere = {"X-Forwarded-For": "203.0.113.1"}
        assert service.client.post("/rank", json={}, headers=elsewhere).status_code == 400
    wait_until(lambda: service.client.post("/rank", json={}).status_code == 400)


@pytest.mark.parametrize("with_fast_server", [False, True])
def test_what_is_not_http_is_a_400(
    serve: Callable[..., Service], fast_server: Path, with_fast_server: bool
) -> None:
    service = serve(**{"PYTHONPATH": str(fast_server)} if with_fast_server else {})
    with connect(service) as client:
        client.sendall(b"NOT HTTP\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert service.client.get("/healthz").text == "ok"
