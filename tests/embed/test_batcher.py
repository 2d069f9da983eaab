"""Calls of the embedder: what they hold, and what becomes of their pictures."""

import asyncio

import numpy as np
import pytest
from prometheus_client import REGISTRY

from clip_ranker.embed.batcher import Batcher, Embed
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.fair_queue import Picture, Request
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.turns import Turns


class Recorder:
    """An embedder that notes its calls; a picture's embedding is its first byte."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.out_at_once = 0
        self.out, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()
        self._out = 0

    async def __call__(self, pixels: Pixels) -> Embedding:
        self._out += 1
        self.out_at_once = max(self.out_at_once, self._out)
        self.calls.append([int(picture.flat[0]) for picture in pixels])
        self.out.set()
        await asyncio.sleep(0)
        await self.go.wait()
        self._out -= 1
        if 255 in self.calls[-1]:
            raise EmbedderUnavailableError("away")
        if 252 in self.calls[-1]:
            raise asyncio.CancelledError
        if 254 in self.calls[-1]:
            raise EmbedFailedError("batch")
        vectors = pixels.reshape(len(pixels), -1)[:, :1].astype(np.float32)
        vectors[vectors == 253] = np.nan
        return vectors


class OfOneModel(Batcher):
    """Pictures of all requests are for the same."""

    def __init__(self, embed: Embed, turns: Turns) -> None:
        super().__init__(turns)
        self.embed = embed


def batcher(embed: Embed, max_batch_size: int) -> OfOneModel:
    return OfOneModel(embed, Turns(downloads=64, decoders=2, max_batch_size=max_batch_size))


def put(
    batcher: OfOneModel, request: Request, value: int, embed: Embed | None = None
) -> asyncio.Future[Embedding]:
    picture = Picture()
    picture.want(request)
    return batcher.put(picture, np.full((2, 2, 3), value, np.uint8), embed or batcher.embed)


async def embed_all(
    batcher: OfOneModel, values: list[int], *, background: bool = False
) -> list[float | BaseException]:
    request = Request(50, background=background)
    waiting = [put(batcher, request, value) for value in values]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    return [one if isinstance(one, BaseException) else float(one[0]) for one in found]


def test_every_picture_gets_its_own_embedding_in_full_batches_one_call_at_a_time() -> None:
    async def scenario() -> None:
        embed = Recorder()
        values = list(range(100))
        assert await embed_all(batcher(embed, 16), values) == values
        assert [len(call) for call in embed.calls] == [20] * 5
        assert embed.out_at_once == 1

    asyncio.run(scenario())


def test_a_call_is_of_one_model() -> None:
    async def scenario() -> None:
        models = [Recorder(), Recorder()]
        calling = batcher(models[0], 16)
        requests = [Request(50), Request(50)]
        waiting = [
            put(calling, requests[number % 2], number, models[number % 2]) for number in range(100)
        ]
        assert [int((await one)[0]) for one in waiting] == list(range(100))
        for remainder, model in enumerate(models):
            assert {number % 2 for call in model.calls for number in call} == {remainder}

    asyncio.run(scenario())


def test_a_lone_picture_after_a_burst_goes_out_at_once_and_alone() -> None:
    async def scenario() -> None:
        embed = Recorder()
        calling = batcher(embed, 16)
        await embed_all(calling, list(range(50)))
        calls = len(embed.calls)
        lone = put(calling, Request(50), 7)
        for _ in range(3):  # no timer: a few turns of the event loop are enough
            await asyncio.sleep(0)
        assert embed.calls[calls:] == [[7]]
        assert (await lone)[0] == 7

    asyncio.run(scenario())


def test_one_bad_vector_fails_alone_and_a_failed_call_fails_its_batch() -> None:
    async def scenario() -> None:
        outcomes = await embed_all(batcher(Recorder(), 2), [1, 253, 2, 254, 3])
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds == [float, EmbedFailedError, EmbedFailedError, EmbedFailedError, float]
        assert (outcomes[0], outcomes[4]) == (1, 3)

    asyncio.run(scenario())


def test_when_the_embedder_is_away_nothing_waits_for_its_turn_to_fail() -> None:
    async def scenario() -> None:
        embed = Recorder()
        outcomes = await embed_all(batcher(embed, 2), [255] + [1] * 20)
        assert {type(outcome) for outcome in outcomes} == {EmbedderUnavailableError}
        assert len(embed.calls) == 1

    asyncio.run(scenario())


def test_a_call_cut_off_from_below_fails_its_batch_and_the_next_goes_out() -> None:
    async def scenario() -> None:
        outcomes = await embed_all(batcher(Recorder(), 2), [252, 1, 2])
        assert [type(outcome) for outcome in outcomes] == [EmbedFailedError] * 2 + [float]

    asyncio.run(scenario())


def test_a_request_that_leaves_takes_its_waiting_pictures_with_it() -> None:
    async def scenario() -> None:
        embed = Recorder()
        embed.go.clear()
        calling = batcher(embed, 1)
        gone = asyncio.ensure_future(embed_all(calling, [1] * 30))
        await embed.out.wait()
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        embed.go.set()
        assert await embed_all(calling, [2]) == [2]
        assert embed.calls == [[1], [2]]

    asyncio.run(scenario())


def test_what_comes_while_only_the_background_is_there_waits_for_one_small_call() -> None:
    async def scenario() -> None:
        embed = Recorder()
        embed.go.clear()
        calling = batcher(embed, 8)
        behind = asyncio.ensure_future(embed_all(calling, [9] * 12, background=True))
        await embed.out.wait()
        front = asyncio.ensure_future(embed_all(calling, [1] * 30))
        await asyncio.sleep(0)
        embed.go.set()
        await asyncio.gather(behind, front)
        sizes = [(call[0], len(call)) for call in embed.calls]
        assert sizes == [(9, 4), (1, 10), (1, 10), (1, 10), (9, 4), (9, 4)]
        assert not [call for call in embed.calls if {1, 9} <= set(call)]

    asyncio.run(scenario())


def test_calls_become_small_before_a_deadline_by_what_the_last_one_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> list[int]:
        now = [0.0]
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])

        async def embed(pixels: Pixels) -> Embedding:
            now[0] += len(pixels) / 16
            sizes.append(len(pixels))
            return np.ones((len(pixels), 1), np.float32)

        sizes: list[int] = []
        calling, request = batcher(embed, 16), Request(64)
        request.deadline = 3.0
        await asyncio.gather(*(put(calling, request, 1) for _ in range(51)))
        return sizes

    # The first is of full size, for nobody knows yet; then three quarters of the time left.
    assert asyncio.run(scenario()) == [17, 17, 10, 3, 1, 1, 1, 1]


def test_the_size_of_every_call_is_counted() -> None:
    def counted() -> tuple[float, float]:
        name = "clip_ranker_batch_pictures"
        found = [REGISTRY.get_sample_value(f"{name}_{what}") for what in ("count", "sum")]
        return (found[0] or 0, found[1] or 0)

    count, pictures = counted()
    asyncio.run(embed_all(batcher(Recorder(), 16), [1] * 21))
    assert counted() == (count + 2, pictures + 21)
