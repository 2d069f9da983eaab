"""How the parts are wired together: who goes first, and what is counted on the way."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import REGISTRY

from clip_ranker import examples
from clip_ranker.decode.geometry import fit, to_pixels
from clip_ranker.decode.images import decode
from clip_ranker.embed.batcher import Batcher
from clip_ranker.errors import DeadlineError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.schema import PrefetchRequest, RankRequest
from clip_ranker.settings import Settings
from clip_ranker.turns import Lane, Waiting, Waitlist
from clip_ranker.web.api import Api
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
        self.lanes: set[Lane] = set()
        self.out, self.go, self.photo = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.batcher = Batcher(self._embed, max_batch_size=MOST)
        self.batcher.waitlist.put = self._put  # type: ignore[method-assign]
        self.settings = Settings(**settings)
        self.pictures = Pictures(MODEL, self.settings, self.batcher)
        self.api = Api(self.pictures, self.settings, "m")
        self._names = {_pixels(f"example:{name}").tobytes(): name for name in NAMES}

    async def _embed(self, pixels: Pixels) -> Embedding:
        self.calls.append([self._names.get(one.tobytes(), "photo") for one in pixels])
        self.out.set()
        await self.go.wait()
        return np.ones((len(pixels), 8), np.float32)

    def _put(self, lane: Lane, waiting: Waiting[Pixels, Embedding], *, first: bool) -> None:
        Waitlist.put(self.batcher.waitlist, lane, waiting, first=first)
        self.lanes.add(lane)
        if first:
            self.photo.set()

    async def ready(self, count: int) -> None:
        """Returns once so many wait for the embedder."""
        for _ in range(5000):
            if self.batcher.waitlist.waiting_in_all() >= count:
                return
            await asyncio.sleep(0.001)
        raise AssertionError(f"{self.batcher.waitlist.waiting_in_all()} of {count} are ready")


def _pixels(url: str) -> Pixels:
    return to_pixels(fit(decode(examples.read(url), max_pixels=10**8), 768), PREPROCESS)


def request(names: list[str], **more: Any) -> RankRequest:
    candidates = [{"auction_id": name, "image_url": f"example:{name}"} for name in names]
    photo = base64.b64encode(PHOTOS["china"]).decode()
    return RankRequest.model_validate(
        {"query_image_base64": photo, "candidates": candidates, "max_concurrency": 50, **more}
    )


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 30))  # type: ignore[arg-type]


def test_the_photo_overtakes_its_thumbnails() -> None:
    async def scenario() -> None:
        world = World(decode_threads=1)
        answer = asyncio.create_task(world.api.rank(request(NAMES)))
        await world.out.wait()
        await world.photo.wait()
        world.go.set()
        assert (await answer).meta.succeeded == len(NAMES)
        assert "photo" in (*world.calls[0], world.calls[1][0])
        await world.api.close()

    run(scenario)


def test_a_stream_wants_its_first_result_early_and_a_rank_does_not() -> None:
    async def scenario() -> None:
        world = World()
        world.go.set()
        await world.api.rank(request(NAMES[:3]))
        assert {lane.early for lane in world.lanes} == {False}
        world.lanes.clear()
        stream = await world.api.stream(request(NAMES[3:]))
        assert len([line async for line in stream.body_iterator]) == len(NAMES) - 3 + 1  # type: ignore[attr-defined]
        assert {lane.early for lane in world.lanes} == {True}
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
        await world.photo.wait()
        await world.ready(len(on_its_way) + 3)  # the last of them stands in two lanes
        world.go.set()
        await answer
        assert sorted(world.calls[1]) == sorted([*wanted, "photo"])
        await world.api.close()

    run(scenario)


def test_what_a_deadline_leaves_behind_goes_behind_everything_else() -> None:
    async def scenario() -> None:
        world = World()
        await world.pictures._pool(PHOTOS["cat"], 768)  # its processes have started
        late = Ranking(request(NAMES[:6], deadline_ms=300), world.pictures, timeout_s=60)
        try:
            async with late:
                raise AssertionError("the photo cannot be there")
        except DeadlineError:
            pass
        left = [name for name in NAMES[:6] if name not in world.calls[0]]
        answer = asyncio.create_task(world.api.rank(request(NAMES[6:9])))
        await world.ready(min(len(left), MOST) + 3)
        world.go.set()
        await answer
        assert not set(left) & set(world.calls[1])
        await world.api.close()

    run(scenario)


def test_the_gauges_tell_what_is_in_flight(images: ImageServer) -> None:
    def gauges() -> tuple[float | None, ...]:
        names = ("downloads", "embeds")
        return tuple(REGISTRY.get_sample_value(f"clip_ranker_{name}_in_flight") for name in names)

    async def scenario() -> None:
        world = World(allow_private_hosts=(images.host,))
        job = world.pictures.job(768, most_at_once=1)
        images.release.clear()
        url = images.url("/held/cat?gauges")
        embedding = asyncio.create_task(world.pictures.embed_url(url, job))
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
        world = World(allow_private_hosts=(images.host,), max_downloads=4)
        world.go.set()
        greedy = world.pictures.job(768, most_at_once=50)
        tasks = [
            asyncio.create_task(
                world.pictures.embed_url(images.url(f"/slow?s=0.2&fair={n}"), greedy)
            )
            for n in range(20)
        ]
        for _ in range(20):
            await asyncio.sleep(0)  # until they stand in line
        modest = world.pictures.job(768, most_at_once=1)
        await world.pictures.embed_url(images.url("/photo/cat?fair"), modest)
        assert sum(task.done() for task in tasks) < 10
        await asyncio.gather(*tasks)
        await world.api.close()

    run(scenario)


def test_who_joins_another_request_s_work_is_told_where_the_time_went() -> None:
    async def scenario() -> None:
        world = World()
        answers = [asyncio.create_task(world.api.rank(request(NAMES[:1]))) for _ in range(2)]
        await world.out.wait()
        await asyncio.sleep(0.05)
        world.go.set()
        for answer in answers:
            timing = (await answer).meta.timing_ms
            assert timing.embed >= 50
        assert sum(len(call) for call in world.calls) == 2
        await world.api.close()

    run(scenario)
