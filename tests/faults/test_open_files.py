"""256 open files to each process, and more clients than that, again and again, under load."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import httpx
import psutil
import pytest

from tests.faults.load import LASTS_S, Load, assert_nothing_left, assert_right_again, used
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import Service, wait_until

MOST = 256
SILENT = 300


class FewFiles(Service):
    """Started where ``ulimit -n`` says so."""

    command = ("prlimit", f"--nofile={MOST}:{MOST}", *Service.command)


@pytest.fixture
def named() -> Iterator[ImageServer]:
    """A host to look up, and to connect to, only while there are no files."""
    with ImageServer() as fresh:
        for name, data in PHOTOS.items():
            fresh.put(f"/photo/{name}", data)
        fresh.host = fresh.host.replace("127.0.0.1", "localhost")
        yield fresh


def test_without_open_files_it_refuses_and_comes_back(
    start: Callable[..., Service],
    images: ImageServer,
    named: ImageServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = start(FewFiles, CLIP_ALLOW_PRIVATE_HOSTS=f"{named.host} {images.host}")
    [api] = [one for one in service.processes() if "ClipRanker" in one.cmdline()]
    url = httpx.URL(service.url)
    with Load(service, images):  # buffers, threads and caches reach their size
        time.sleep(LASTS_S / 10)
    service.wait_until_idle()
    before = used(service)
    end, blows = time.monotonic() + LASTS_S, 0
    with Load(service, images, reasons=("download_failed", "embed_failed")) as load:
        while time.monotonic() < end or blows < 3:
            with ExitStack() as held:
                load.images = named
                for _ in range(SILENT):
                    held.enter_context(socket.create_connection((url.host, url.port or 80)))
                wait_until(lambda: api.num_fds() >= MOST - 1, service.log)
                if blows % 3 == 1:  # to be started anew, without a file to spare
                    for decoder in api.children():
                        decoder.kill()
                elif blows % 3 == 2:
                    for other in service.processes():
                        with suppress(psutil.NoSuchProcess):  # the last one killed, perhaps
                            if "ClipEmbedder" in other.cmdline():
                                other.kill()
                time.sleep(2)  # of load in between
                load.images = images
            blows += 1
            wait_until(lambda: api.num_fds() < MOST // 2, service.log)
            time.sleep(2)
    assert_right_again(service, images, load.scores)
    after = assert_nothing_left(service, before)
    with capsys.disabled():
        print(f"\n{load.tally}\n{blows} times without files\nbefore {before}\nafter  {after}")
    assert load.tally.surprises == []
    assert load.tally.statuses["200"]
    assert "never retrieved" not in service.log()
