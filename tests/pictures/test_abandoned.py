"""What clients that left have begun keeps nobody else from their pictures."""

import asyncio
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from clip_ranker.download.resolver import MOST_LOOK_UPS
from clip_ranker.errors import CandidateError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.pictures.source import Source
from clip_ranker.settings import Settings
from tests.hostile.names import HANGS_S, Names
from tests.hostile.raw_server import RawServer
from tests.photos import PHOTOS
from tests.pictures.test_pictures import MODEL, until

REQUESTS, AT_ONCE, STAYS_S = 100, 32, 0.06


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names()
    names.gives_up_after_s = 10  # where RES_OPTIONS leave it at that
    names.address = "127.0.0.1"
    monkeypatch.setattr(socket, "getaddrinfo", names)
    yield names
    names.release.set()


async def embed(pixels: Pixels) -> Embedding:
    return np.ones((len(pixels), 8), np.float32)


async def rank(pictures: Pictures, urls: list[str], stays_s: float) -> list[object]:
    """What a request of these has when its client leaves or all is there."""
    job = Job(10)
    found = [pictures.find(url, 768) for url in urls]
    tasks = [
        asyncio.create_task(pictures.embed(one, job)) for one in found if isinstance(one, Source)
    ]
    await asyncio.wait(tasks, timeout=stays_s)
    for task in tasks:
        task.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_made_up_names_of_clients_that_leave_do_not_block_a_healthy_host(names: Names) -> None:
    async def scenario(server: RawServer) -> None:
        paths = [f"/{number}" for number in range(50)]
        for path in paths:
            server.says(path, b"HTTP/1.1 200 OK\r\n\r\n" + PHOTOS["coffee"])
        hosts = (f"good.test:{server.port}", "127.0.0.1")
        pictures = Pictures(MODEL, Settings(allow_private_hosts=hosts), embed)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def attack(number: int) -> None:
            async with at_once:
                urls = [f"http://hang{number}-{n}.test/" for n in range(50)]
                for failure in await rank(pictures, urls, STAYS_S):
                    assert isinstance(failure, (asyncio.CancelledError, CandidateError))

        attacks = [asyncio.create_task(attack(number)) for number in range(REQUESTS)]
        await until(lambda: len(names.asked) >= MOST_LOOK_UPS)
        urls = [f"http://good.test:{server.port}{path}" for path in paths]
        found = await rank(pictures, urls, HANGS_S)
        assert [one for one in found if not isinstance(one, Embedded)] == []
        await asyncio.gather(*attacks)
        await pictures.close()

    with RawServer() as server:
        asyncio.run(scenario(server))
