"""Pictures of several models side by side: what they share, and what is each one's own."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clip_ranker.embed.batcher import Embed
from clip_ranker.errors import BadRequestError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.pictures.source import Source
from clip_ranker.rank.feedback import Feedback, FeedbackRequest
from clip_ranker.rank.prefetch import PrefetchRequest
from clip_ranker.rank.schema import RankRequest
from clip_ranker.rank.verdicts import Verdicts
from clip_ranker.settings import Settings
from clip_ranker.web.api import Api
from tests.image_server import ImageServer
from tests.pictures.test_pictures import until

SIZES = {"small": (8, 4), "large": (16, 6)}
"""Side of a model's picture in pixels, and width of its vectors."""


def model(name: str) -> StoredModel:
    side, dim = SIZES[name]
    pixels = Preprocess(side, side, (0.5,) * 3, (0.5,) * 3)
    return StoredModel(name, Path(name), pixels, dim, "source", "the same digest")


class World:
    """An API of two models, each of which says what it was called with."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.called: dict[str, int] = dict.fromkeys(SIZES, 0)
        self.pictures: dict[str, Pictures] = {}
        given = Settings(**settings)
        for name in SIZES:
            beside = self.pictures.get("small")
            self.pictures[name] = Pictures(model(name), given, self._embed(name), beside=beside)
        self.folder = folder
        self.api = Api(self.pictures, given, Feedback(Verdicts(folder)))

    def _embed(self, name: str) -> Embed:
        async def embed(pixels: Pixels) -> Embedding:
            side, dim = SIZES[name]
            assert pixels.shape[1:] == (side, side, 3)
            self.called[name] += len(pixels)
            vectors = np.ones((len(pixels), dim), np.float32)
            vectors[:, 0] += pixels.reshape(len(pixels), -1).mean(axis=1)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

        return embed


def run(world: World, scenario: Any) -> None:
    async def wrapped() -> None:
        try:
            await asyncio.wait_for(scenario(), 60)
        finally:
            await world.api.close()

    asyncio.run(wrapped())


def ask(images: ImageServer, **more: Any) -> dict[str, Any]:
    listed = [
        {"auction_id": name, "image_url": images.photo(name)} for name in ("cat", "coffee", "moon")
    ]
    return {"candidates": listed, **more}


def test_no_vector_of_one_model_is_answered_for_another(
    images: ImageServer, tmp_path: Path
) -> None:
    world = World(tmp_path, allow_private_hosts=(images.host,))

    async def scenario() -> None:
        query = {"query_image_url": images.photo("cat")}
        requests = [
            RankRequest.model_validate(ask(images, model=name, **query))
            for name in (None, "large", "small", "large")
        ]
        # At the same time: of the same URLs and bytes nothing of the other's may be joined.
        answers = await asyncio.gather(*map(world.api.rank, requests))
        assert [one.meta.model for one in answers] == ["small", "large", "small", "large"]
        small, large, *again = answers
        assert small.results != large.results
        assert [small.results, large.results] == [one.results for one in again]
        assert world.called == {"small": 3, "large": 3}
        for request, before in zip(requests, answers, strict=True):
            answer = await world.api.rank(request)
            assert answer.meta.cached == 3
            assert answer.results == before.results
        assert world.called == {"small": 3, "large": 3}

    run(world, scenario)


def test_what_is_prefetched_for_one_is_known_for_that_alone(
    images: ImageServer, tmp_path: Path
) -> None:
    world = World(tmp_path, allow_private_hosts=(images.host,), max_prefetch=4)

    async def scenario() -> None:
        prefetch = PrefetchRequest.model_validate(ask(images, model="large"))
        assert (await world.api.prefetch(prefetch)).accepted == 3
        prefetch.model = None
        said = await world.api.prefetch(prefetch)
        assert (said.accepted, said.refused) == (1, 2)  # the bound is of all models together
        await until(lambda: world.called == {"small": 1, "large": 3})
        prefetch.model = "large"
        assert (await world.api.prefetch(prefetch)).known == 3

    run(world, scenario)


def test_a_verdict_is_kept_with_the_model_that_ranked(images: ImageServer, tmp_path: Path) -> None:
    world = World(tmp_path, allow_private_hosts=(images.host,))

    async def scenario() -> None:
        for name in ("large", "small"):
            query = {"query_image_url": images.photo("cat"), "model": name}
            answer = await world.api.rank(RankRequest.model_validate(ask(images, **query)))
            assert answer.meta.request_id
            verdict = FeedbackRequest(
                request_id=answer.meta.request_id, auction_id="coffee", same=False
            )
            await world.api.feedback(verdict)

    run(world, scenario)
    (file,) = tmp_path.glob("*.jsonl")
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["model"], one["digest"]) for one in kept] == [
        ("large", "the same digest"),
        ("small", "the same digest"),
    ]


@pytest.mark.parametrize("name", ["nobody", "", "Small"])
def test_a_model_that_is_not_there_is_refused_with_those_that_are(
    name: str, images: ImageServer, tmp_path: Path
) -> None:
    world = World(tmp_path)

    async def scenario() -> None:
        rank = RankRequest.model_validate(
            ask(images, model=name, query_image_url=images.photo("cat"))
        )
        prefetch = PrefetchRequest.model_validate(ask(images, model=name))
        for call in (world.api.rank(rank), world.api.stream(rank), world.api.prefetch(prefetch)):
            with pytest.raises(BadRequestError, match=r"^model: .* small, large$") as refused:
                await call
            assert [fault["field"] for fault in refused.value.detail] == ["model"]

    run(world, scenario)


def test_places_for_downloads_are_of_all_models_together(
    images: ImageServer, tmp_path: Path
) -> None:
    world = World(tmp_path, allow_private_hosts=(images.host,), max_downloads=1)

    async def scenario() -> None:
        with images.holding():
            waiting = []
            for pictures in world.pictures.values():
                found = pictures.find(images.url("/held/cat"), 768)
                assert isinstance(found, Source)
                waiting.append(asyncio.create_task(pictures.embed(found, Job(1))))
            downloads = world.pictures["large"].turns.downloads
            await until(lambda: len([*downloads.held, *downloads.waiting()]) == len(waiting))
            assert len(downloads.held) == 1
        assert [one.embedding.shape for one in await asyncio.gather(*waiting)] == [(4,), (6,)]

    run(world, scenario)
