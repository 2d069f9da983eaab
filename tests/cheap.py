"""Very many requests that cost next to nothing."""

import socket

import httpx

from tests.running import HANGS_S, Service

AT_ONCE = 100


def ask_for_health(service: Service, times: int) -> None:
    """That many times, by one connection that sends ahead."""
    url = httpx.URL(service.url)
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        socket.create_connection((url.host, url.port or 80), timeout=HANGS_S) as client,
        client.makefile("rb") as answers,
    ):
        for _ in range(times // AT_ONCE):
            client.sendall(get * AT_ONCE)
            for _ in range(AT_ONCE):
                while answers.readline().strip():
                    pass
                assert answers.read(2) == b"ok"
