"""How the parts are wired together: who goes first, and what is counted on the way."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from clip_ranker import examples
from clip_ranker.decode import geometry, images
from clip_ranker.download.urls import MAX_URL_CHARS
from clip_ranker.errors import TimedOutError, UrlBlockedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.pictures.shared_cache import Entry, SharedCache
from clip_ranker.pictures.source import Keys, Source
from clip_ranker.rank.prefetch import PrefetchRequest
from clip_ranker.rank.schema import RankRequest
from clip_ranker.settings import Settings
from clip_ranker.web.api import Api
from tests.hostile.files import flat_png
from tests.image_server import ImageServer
from tests.photos import PHOTOS

PREPROCESS = Preprocess(64, 64, (0.5,) * 3, (0.5,) * 3)
MODEL = StoredModel("m", Path("m"), PREPROCESS, 8, "source", "digest")
NAMES = examples.names()
MOST = 4


class World:
    """An API whose embedder holds its first call until it is told to go on."""

    def __init__(self, **settings: Any) -> None:
        self.calls: list[list[str]] = []
        self.out, self.go = asyncio.Event(), asyncio.Event()
        self.settings = Settings(**{"max_batch_size": MOST, **settings})
        self.pictures = Pictures(MODEL, self.settings, self._embed)
        self.turns = self.pictures.turns
        self.api = Api({"m": self.pictures}, self.settings)
        self._names = {_pixels(f"example:{name}").tobytes(): name for name in NAMES}

    async def _embed(self, pixels: Pixels) -> Embedding:
        self.calls.append([self._names.get(one.tobytes(), "photo") for one in pixels])
        self.out.set()
        await self.go.wait()
        return np.ones((len(pixels), 8), np.float32)

    async def embed(self, url: str, job: Job) -> Embedded:
        return await self.pictures.embed(self.source(url), job)

    def source(self, url: str) -> Source:
        found = self.pictures.find(url, 768)
        assert isinstance(found, Source)
        return found

    def photo_is_ready(self) -> bool:
        ready = [*self.turns.to_embed.waiting(), *self.turns.to_embed.held]
        return any(picture.photo_of for picture in ready)

    async def ready(self, count: int) -> None:
        """Returns once so many wait for the embedder."""
        await until(lambda: len(self.turns.to_embed.waiting()) >= count)

    async def live_are_ready(self, count: int) -> None:
        """Likewise, of what somebody waits for."""
        await until(lambda: sum(picture.live for picture in self.turns.to_embed.waiting()) >= count)


async def until(holds: Callable[[], bool]) -> None:
    """Waits for it; ``run`` ends what never comes."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def _pixels(url: str) -> Pixels:
    image = images.decode(examples.read(url), max_pixels=10**8)
    return geometry.to_pixels(geometry.fit(image, 768), PREPROCESS)


def request(names: list[str], **more: Any) -> RankRequest:
    candidates = [{"auction_id": name, "image_url": f"example:{name}"} for name in names]
    photo = base64.b64encode(PHOTOS["china"]).decode()
    return RankRequest.model_validate(
        {"query_image_base64": photo, "candidates": candidates, "max_concurrency": 50, **more}
    )


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))  # type: ignore[arg-type]


def test_the_photo_overtakes_its_thumbnails() -> None:
    async def scenario() -> None:
        world = World(decode_threads=1)
        answer = asyncio.create_task(world.api.rank(request(NAMES)))
        await world.out.wait()
        await until(world.photo_is_ready)
        world.go.set()
        assert (await answer).meta.succeeded == len(NAMES)
        assert "photo" in (*world.calls[0], world.calls[1][0])
        await world.api.close()

    run(scenario)


def test_a_stream_wants_its_first_result_early_and_a_rank_does_not() -> None:
    async def scenario() -> None:
        world = World()
        answer = asyncio.create_task(world.api.rank(request(NAMES[:8])))
        await world.ready(MOST)
        world.go.set()
        await answer
        assert len(world.calls[1]) == MOST
        world.calls.clear()
        stream = await world.api.stream(request(NAMES[8:]))
        assert len([line async for line in stream.body_iterator]) == len(NAMES) - 8 + 1  # type: ignore[attr-defined]
        before = 0
        for call in world.calls:
            assert len(call) <= max(1, before)
            before += len(call)
        await world.api.close()

    run(scenario)


def test_what_is_prefetched_goes_behind_a_rank_until_the_rank_asks_for_it() -> None:
    async def scenario() -> None:
        world = World()
        ahead, own = NAMES[:8], NAMES[8:10]
        candidates = [{"auction_id": name, "image_url": f"example:{name}"} for name in ahead]
        await world.api.prefetch(PrefetchRequest.model_validate({"candidates": candidates}))
        await world.out.wait()
        on_its_way = [name for name in ahead[:4] if name not in world.calls[0]]
        await world.ready(len(on_its_way))
        wanted = [*own, on_its_way[-1]]
        answer = asyncio.create_task(world.api.rank(request(wanted)))
        await world.live_are_ready(len(wanted) + 1)
        world.go.set()
        await answer
        assert sorted(world.calls[1]) == sorted([*wanted, "photo"])
        await world.api.close()

    run(scenario)


def test_what_a_deadline_leaves_behind_goes_behind_everything_else() -> None:
    async def scenario() -> None:
        world, late = World(), Job(50)
        urls = [f"example:{name}" for name in NAMES[:9]]
        tasks = [asyncio.create_task(world.embed(url, late)) for url in urls]
        await world.out.wait()
        await world.ready(MOST)
        late.late = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        answer = asyncio.create_task(world.api.rank(request(NAMES[9:])))
        await world.live_are_ready(3 + 1)
        world.go.set()
        await answer
        left = set(NAMES[:9]) - set(world.calls[0])
        assert not left & set(world.calls[1])
        await until(lambda: left <= {name for call in world.calls for name in call})
        await world.api.close()

    run(scenario)


def test_large_pictures_wait_for_each_other_without_a_decoder() -> None:
    async def scenario() -> None:
        world = World(decode_threads=2)
        world.go.set()
        turns, most = world.turns, 0
        files = [flat_png(4000, 4000 + number) for number in range(4)]
        large = [await world.pictures.source_of_bytes(file, 768) for file in files]
        tasks = [asyncio.create_task(world.pictures.embed(one, Job(50))) for one in large]
        await until(lambda: len(turns.large.waiting()) == len(tasks) - 1)
        assert len(turns.decoding.held) <= 1
        await asyncio.wait_for(world.embed(f"example:{NAMES[0]}", Job(50)), 60)
        while not all(task.done() for task in tasks):
            most = max(most, len(turns.decoding.held))
            await asyncio.sleep(0.001)
        assert most <= 1
        await world.api.close()

    run(scenario)


def test_the_gauges_tell_what_is_in_flight(images: ImageServer) -> None:
    def gauges() -> tuple[float | None, ...]:
        names = ("downloads", "embeds")
        return tuple(REGISTRY.get_sample_value(f"clip_ranker_{name}_in_flight") for name in names)

    async def scenario() -> None:
        world = World(allow_private_hosts=(images.host,))
        job = Job(1)
        images.release.clear()
        url = images.url("/held/cat?gauges")
        embedding = asyncio.create_task(world.embed(url, job))
        while not images.hits["/held/cat"]:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert gauges() == (1, 0)
        images.release.set()
        await world.out.wait()
        assert gauges() == (0, 1)
        world.go.set()
        await embedding
        assert gauges() == (0, 0)
        await world.api.close()

    before = images.hits.pop("/held/cat", 0)
    try:
        run(scenario)
    finally:
        images.release.set()
        images.hits["/held/cat"] += before


def test_one_request_does_not_keep_another_waiting_for_all_its_downloads(
    images: ImageServer,
) -> None:
    async def scenario() -> None:
        world = World(allow_private_hosts=(images.host,), max_downloads=4, download_timeout_s=60)
        world.go.set()
        images.release.clear()
        urls = [images.url(f"/held/cat?fair={n}") for n in range(20)]
        greedy = Job(50)
        tasks = [asyncio.create_task(world.embed(url, greedy)) for url in urls]
        await until(lambda: bool(world.turns.downloads.held))
        await world.embed("example:coffee", Job(1))
        assert not any(task.done() for task in tasks)
        images.release.set()
        await asyncio.gather(*tasks)
        await world.api.close()

    try:
        run(scenario)
    finally:
        images.release.set()


def test_who_joins_another_request_s_work_is_told_where_the_time_went() -> None:
    async def scenario() -> None:
        world = World()
        answers = [asyncio.create_task(world.api.rank(request(NAMES[:1]))) for _ in range(2)]
        await until(
            lambda: any(
                len(picture.wanted_by) == 2
                for picture in [*world.turns.to_embed.held, *world.turns.to_embed.waiting()]
            )
        )
        await asyncio.sleep(0.05)
        world.go.set()
        for answer in answers:
            timing = (await answer).meta.timing_ms
            assert timing.embed >= 50
        assert sum(len(call) for call in world.calls) == 2
        await world.api.close()

    run(scenario)


def test_joining_is_told_as_the_stage_it_finds() -> None:
    """What another request has downloaded already is no download of one's own."""

    async def scenario() -> None:
        world = World()
        first = asyncio.create_task(world.api.rank(request(NAMES[:1])))
        await world.ready(1)
        joins = asyncio.create_task(world.api.rank(request(NAMES[:1])))
        await until(
            lambda: any(
                len(picture.wanted_by) == 2
                for picture in [*world.turns.to_embed.held, *world.turns.to_embed.waiting()]
            )
        )
        world.go.set()
        await first
        assert (await joins).meta.timing_ms.download == 0
        await world.api.close()

    run(scenario)


def test_a_silent_host_is_one_request_s_opinion(images: ImageServer) -> None:
    """It fails nothing of another request, although both want the same picture."""

    async def scenario() -> None:
        world = World(allow_private_hosts=(images.host,))
        world.go.set()
        url = images.url("/photo/cat?opinion")
        source = world.source(url)
        disappointed, patient = Job(1), Job(1)
        for _ in range(9):
            disappointed.asker.silent(source.host)
        tasks = [
            asyncio.create_task(world.pictures.embed(source, job))
            for job in (disappointed, patient)
        ]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(outcomes[0], TimedOutError)
        assert not isinstance(outcomes[1], BaseException)
        alone = world.source(images.url("/photo/coffee?opinion"))
        with pytest.raises(TimedOutError):
            await world.pictures.embed(alone, disappointed)
        await world.pictures.embed(alone, patient)  # nor is it remembered
        await world.api.close()

    run(scenario)


def test_the_policy_is_asked_before_the_shared_cache() -> None:
    """A file of somebody's command line is no picture of a service, whatever Redis knows."""

    class Redis(SharedCache):
        def __init__(self) -> None:
            self.keys: list[str] = []

        async def get(self, keys: Sequence[str], *, dim: int) -> dict[str, Entry]:
            self.keys += keys
            return {key: Entry(Embedded(np.ones(8, np.float32), b""), time.time()) for key in keys}

        async def put(self, entries: Mapping[str, Entry]) -> None:
            self.keys += entries

        async def close(self) -> None:
            pass

    async def scenario() -> None:
        world = World()
        world.go.set()
        redis = Redis()
        url = "file:/cat.jpg"
        files = Pictures(MODEL, world.settings, world._embed, {"file:": lambda _: PHOTOS["cat"]})
        for pictures in (files, world.pictures):
            pictures._cache._shared = redis
        found = files.find(url, 768)
        assert isinstance(found, Source)
        await files.recall([found])
        await files.embed(found, Job(1))
        await files.close()
        assert redis.keys == []
        answer = await world.api.rank(
            RankRequest.model_validate(
                {
                    "query_image_url": "example:cat",
                    "candidates": [{"auction_id": "A", "image_url": url}],
                }
            )
        )
        assert [failure.reason for failure in answer.failed] == ["url_blocked"]
        await world.api.close()

    run(scenario)


def test_an_example_at_other_sizes_pushes_nothing_out_of_the_cache() -> None:
    async def scenario() -> None:
        world = World()
        world.go.set()
        usual = RankRequest.model_fields["image_resize"].default
        for size in (usual, 224, 300, 2048):
            found = world.pictures.find("example:cat", size)
            assert isinstance(found, Source)
            await world.pictures.embed(found, Job(1))
            assert isinstance(world.pictures.find("example:cat", size), Source) is (size != usual)
        await world.pictures.close()

    run(scenario)


def test_a_url_that_is_too_long_is_refused_before_anything_is_made_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing(_: Pixels) -> Embedding:
        raise AssertionError

    async def find() -> None:
        pictures = Pictures(MODEL, Settings(), nothing)
        try:
            monkeypatch.setattr(Keys, "of_url", lambda *_: pytest.fail("it was hashed"))
            pictures.find("https://example.com/" + "a" * MAX_URL_CHARS, 768)
        finally:
            await pictures.close()

    with pytest.raises(UrlBlockedError):
        asyncio.run(find())
