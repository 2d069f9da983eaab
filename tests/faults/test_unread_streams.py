"""Thousands of streams whose clients never read a byte, under load."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from tests.faults.load import (
    LASTS_S,
    QUERY,
    Load,
    assert_nothing_left,
    assert_quiet,
    assert_right_again,
    used,
)
from tests.image_server import ImageServer
from tests.running import HANGS_S, Service
from tests.test_deployment import IN_THE_IMAGE

UNREAD = 2000
"""At once."""


def request(images: ImageServer) -> bytes:
    """A /rank/stream with the longest answer that the limits admit, of known pictures."""
    url = f"{images.photo('cat')}?known"
    candidates = [{"auction_id": "x" * 256, "image_url": url}] * 200
    body = json.dumps({"candidates": candidates, "query_image_base64": QUERY}).encode()
    head = "POST /rank/stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def crowd(service: Service, images: ImageServer) -> Iterator[None]:
    """Clients that have asked, and do not read."""
    url, asking = httpx.URL(service.url), request(images)
    with ExitStack() as held:
        for _ in range(UNREAD):
            unread = held.enter_context(socket.socket())
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            unread.settimeout(HANGS_S)
            unread.connect((url.host, url.port or 80))
            unread.sendall(asking)
        yield


def test_streams_that_nobody_reads_hold_up_nobody(
    serve: Callable[..., Service], images: ImageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = {name: value for name, value in IN_THE_IMAGE.items() if name.startswith("MALLOC_")}
    service = serve(CLIP_DOWNLOAD_TIMEOUT_S="60", **memory)
    with Load(service, images), crowd(service, images):  # memory and caches reach their size
        time.sleep(LASTS_S / 10)
    service.wait_until_idle()
    before = used(service)
    end, streams, most = time.monotonic() + LASTS_S, 0, 0
    with Load(service, images) as load:
        while time.monotonic() < end or not streams:
            with crowd(service, images):
                streams += UNREAD
                most = max(most, used(service)["files"])
                load.wait_for_an_answer()
    assert_right_again(service, images, load.scores)
    after = assert_nothing_left(service, before)
    with capsys.disabled():
        print(f"\n{load.tally}\n{streams} streams, {most} files at most")
        print(f"before {before}\nafter  {after}")
    assert load.tally.surprises == []
    assert_quiet(service.log())
