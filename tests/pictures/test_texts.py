"""Texts in turn with the pictures: each embedded once, and kept."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clip_ranker import examples
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess
from clip_ranker.models.store import StoredModel
from clip_ranker.models.text import TextTower
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.pictures.source import Source
from clip_ranker.pictures.texts import MOST_KEPT, TEXTS_A_PICTURE, Texts
from clip_ranker.settings import Settings
from tests.pictures.test_pictures import until
from tests.running import HANGS_S

PREPROCESS = Preprocess(64, 64, (0.5,) * 3, (0.5,) * 3)
TOWER = TextTower(Path("t"), Path("t"), 77, "lower", True, "digest", "tokens")  # noqa: FBT003
MODEL = StoredModel("m", Path("m"), PREPROCESS, 8, "source", "digest", text=TOWER)
MOST = 4


def vector(text: str) -> Embedding:
    made = np.zeros(8, np.float32)
    made[len(text) % 8] = 1
    return made


class World:
    """Pictures and texts whose embedder holds its calls until it is told to go on."""

    def __init__(self, **settings: Any) -> None:
        self.calls: list[list[str]] = []
        self.out, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()
        self.raises: Exception | None = None
        self.pictures = Pictures(
            MODEL,
            Settings(**{"max_batch_size": MOST, **settings}),
            self._embed,
            embed_texts=self._embed_texts,
        )

    @property
    def texts(self) -> Texts:
        assert self.pictures.texts
        return self.pictures.texts

    @property
    def embedded(self) -> list[str]:
        return [one for call in self.calls for one in call]

    def ask(self, *texts: str, job: Job | None = None) -> "asyncio.Task[list[Embedding | None]]":
        return asyncio.create_task(self.texts.embed(texts, job or Job(50)))

    async def _embed(self, pixels: Pixels) -> Embedding:
        await self._call(["picture"] * len(pixels))
        return np.ones((len(pixels), 8), np.float32)

    async def _embed_texts(self, texts: Sequence[str]) -> Embedding:
        await self._call([*texts])
        if self.raises:
            raise self.raises
        return np.stack([vector(text) for text in texts])

    async def _call(self, what: list[str]) -> None:
        self.calls.append(what)
        self.out.set()
        await self.go.wait()


def run(scenario: Callable[[World], Awaitable[None]], **settings: Any) -> None:
    async def wrapped() -> None:
        world = World(**settings)
        try:
            await scenario(world)
        finally:
            await world.pictures.close()

    asyncio.run(asyncio.wait_for(wrapped(), HANGS_S))


def test_each_text_is_embedded_once_and_known_from_then_on() -> None:
    async def scenario(world: World) -> None:
        found = await world.ask("a", "bb", "a", "ccc")
        assert [int(one.argmax()) for one in found if one is not None] == [1, 2, 1, 3]
        again = await world.ask("ccc", "dddd", "a")
        assert [int(one.argmax()) for one in again if one is not None] == [3, 4, 1]
        assert sorted(world.embedded) == ["a", "bb", "ccc", "dddd"]
        assert await world.ask() == []

    run(scenario)


def test_without_a_cache_they_are_embedded_all_the_same() -> None:
    async def scenario(world: World) -> None:
        for _ in range(2):
            found = await world.ask("a", "bb", "a")
            assert [int(one.argmax()) for one in found if one is not None] == [1, 2, 1]
        assert len(world.embedded) == 4

    run(scenario, cache_bytes=0)


def test_what_two_requests_want_at_once_is_embedded_once_and_one_may_leave() -> None:
    async def scenario(world: World) -> None:
        world.go.clear()
        first = world.ask("a", "bb", "ccc")
        await world.out.wait()
        second = world.ask("ccc", "a", "dddd")
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        world.go.set()
        found = await second
        assert [int(one.argmax()) for one in found if one is not None] == [3, 1, 4]
        assert sorted(world.embedded) == ["a", "bb", "ccc", "dddd"]

    run(scenario)


def test_what_nobody_waits_for_any_more_leaves_the_line() -> None:
    async def scenario(world: World) -> None:
        world.go.clear()
        out = world.ask("out")
        await world.out.wait()
        left = world.ask(*(f"left {n}" for n in range(9)))
        await asyncio.sleep(0)
        assert world.pictures.turns.texts.waiting()
        left.cancel()
        await asyncio.wait([left])
        world.go.set()
        await out
        assert await world.ask("left 1") is not None  # and may be asked for again
        assert world.calls == [["out"], ["left 1"]]

    run(scenario)


def test_a_few_texts_count_as_one_picture_and_have_every_other_call() -> None:
    async def scenario(world: World) -> None:
        world.go.clear()
        many = world.ask(*(f"text {n}" for n in range(60)))
        await world.out.wait()
        pictures = []
        for name in examples.all_names()[: 2 * MOST]:
            source = world.pictures.find(f"example:{name}", 768)
            assert isinstance(source, Source)
            pictures.append(asyncio.create_task(world.pictures.embed(source, Job(50))))
        await until(lambda: len(world.pictures.turns.to_embed.waiting()) >= MOST)
        world.go.set()
        await asyncio.gather(many, *pictures)
        assert ["picture" in call for call in world.calls[:3]] == [False, True, False]
        assert len(world.calls) > 5
        most = (MOST + MOST // 4) * TEXTS_A_PICTURE
        assert MOST * TEXTS_A_PICTURE <= len(world.calls[0]) <= most

    run(scenario)


def test_what_is_left_at_a_deadline_is_embedded_for_the_cache_up_to_a_bound() -> None:
    async def scenario(world: World) -> None:
        world.go.clear()
        late = Job(50)
        titles = [f"title {n}" for n in range(2 * (MOST_KEPT + 2 * MOST) * TEXTS_A_PICTURE)]
        asked = world.ask(*titles, job=late)
        await world.out.wait()
        late.late = True
        asked.cancel()
        await asyncio.wait([asked])
        kept = len(world.pictures.turns.texts.waiting()) * TEXTS_A_PICTURE
        out = len(world.calls[0])
        assert kept + out == MOST_KEPT * TEXTS_A_PICTURE
        await asyncio.sleep(0)
        wanted = world.ask("now")
        await asyncio.sleep(0)
        world.go.set()
        await wanted
        assert world.calls[1] == ["now"]  # they wait behind it
        await until(lambda: len(world.embedded) == out + kept + 1)
        assert all(one is not None for one in await world.ask(*titles[: out + kept]))
        assert len(world.embedded) == out + kept + 1

    run(scenario)


def test_a_text_that_the_model_fails_on_has_no_vector_and_may_be_asked_for_again() -> None:
    async def scenario(world: World) -> None:
        world.raises = EmbedFailedError("batch")
        assert await world.ask("a", "bb", "ccc") == [None] * 3
        world.raises = None
        assert all(one is not None for one in await world.ask("a", "bb", "ccc"))
        world.raises = EmbedderUnavailableError("away")
        with pytest.raises(EmbedderUnavailableError):
            await world.ask("dddd", "a")

    run(scenario)


def test_prefetched_texts_are_embedded_behind_and_joined_by_who_waits() -> None:
    async def scenario(world: World) -> None:
        world.go.clear()
        out = world.ask("out")
        await world.out.wait()
        ahead = world.ask(*(f"ahead {n}" for n in range(20)), job=Job(50, background=True))
        await asyncio.sleep(0)
        wanted = world.ask("ahead 19", "now")
        await asyncio.sleep(0)
        world.go.set()
        await wanted
        assert {"ahead 19", "now"} <= set(world.calls[1])
        await asyncio.gather(out, ahead)
        assert len(world.embedded) == 22

    run(scenario)


def test_time_in_which_texts_are_awaited_is_told_only_of_who_has_any() -> None:
    async def scenario(world: World) -> None:
        job = Job(50)
        assert "text" not in job.clock.spent_ms()
        await world.ask("a", job=job)
        assert job.clock.spent_ms()["text"] > 0

    run(scenario)


def test_models_tokenisers_and_texts_have_keys_of_their_own() -> None:
    def key(text: str = "a", model: StoredModel = MODEL) -> str:
        return Texts(model, None, None, None)._key(text)  # type: ignore[arg-type]

    towers = [
        replace(TOWER, digest="other"),
        replace(TOWER, tokenizer_digest="other"),
        replace(TOWER, context_length=64),
        replace(TOWER, cleaning="whitespace"),
    ]
    others = [key(model=replace(MODEL, text=tower)) for tower in towers]
    others += [key("b"), key("\ud800"), key(model=replace(MODEL, name="n"))]
    assert len({key(), *others}) == 1 + len(others)


def test_only_titles_are_shared_with_other_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    shared: dict[str, Embedded] = {}

    async def scenario(world: World) -> None:
        def put(key: str, embedded: Embedded, *, bytes_key: str, share: bool) -> None:
            if share:
                shared[key] = embedded

        monkeypatch.setattr(world.texts._cache, "put", put)
        await world.texts.embed(["words of a user"], Job(50), share=False)
        await world.texts.embed(["title"], Job(50))
        assert list(shared) == [world.texts._key("title")]
        world.go.clear()  # and of two in one call, that which somebody has as a title
        mine = asyncio.create_task(world.texts.embed(["secret", "bb"], Job(50), share=False))
        await until(lambda: ["secret", "bb"] in world.calls)
        theirs = asyncio.create_task(world.texts.embed(["bb"], Job(50)))
        await asyncio.sleep(0)
        world.go.set()
        await asyncio.gather(mine, theirs)
        assert list(shared) == [world.texts._key("title"), world.texts._key("bb")]

    run(scenario)
