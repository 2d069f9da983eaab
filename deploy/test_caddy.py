"""What Caddyfile.snippet says of clients that hold on, run by a real Caddy without Docker."""

import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.engine import wait_until
from tests.image_server import ImageServer
from tests.running import ROOT, free_port

LIMIT_S = 10
"""``read_header`` there."""


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[[], socket.socket]]:
    """Opens connections to a Caddy with those options, in front of a server with /slow."""
    commented = re.findall(r"(?ms)^# (\{\n.*?)^# \}", (ROOT / "Caddyfile.snippet").read_text())
    options = commented[0].replace("# ", "")
    port = free_port()
    caddy = shutil.which("caddy")
    assert caddy, "deploy/need caddy caddy"

    def open_one() -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout=6 * LIMIT_S)

    def listens() -> bool:
        try:
            open_one().close()
        except ConnectionRefusedError:
            return False
        return True

    with ImageServer() as server:
        server.put("/photo/astronaut", b"late")
        (tmp_path / "Caddyfile").write_text(
            f"{options}\tadmin off\n}}\nhttp://:{port} {{\n\treverse_proxy {server.host}\n}}\n"
        )
        with subprocess.Popen(
            [caddy, "run", "--config", tmp_path / "Caddyfile", "--adapter", "caddyfile"],
            stderr=subprocess.DEVNULL,
        ) as running:
            try:
                wait_until(listens, "Caddy")
                yield open_one
            finally:
                running.terminate()


def test_who_sends_no_head_is_left_and_a_long_request_is_not(
    connect: Callable[[], socket.socket],
) -> None:
    def answer(request: bytes) -> bytes:
        with connect() as client:
            client.sendall(request)
            return client.recv(100)

    head = b"GET /slow?s=%d HTTP/1.1\r\nHost: x\r\n" % (2 * LIMIT_S)
    with ThreadPoolExecutor() as clients:
        silent, half, whole = clients.map(answer, (b"", head, head + b"\r\n"))
    assert silent == half == b""
    assert whole.startswith(b"HTTP/1.1 200 ")
