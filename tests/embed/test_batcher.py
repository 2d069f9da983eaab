import asyncio

import numpy as np
import pytest

from clip_ranker.embed.batcher import Batcher
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.turns import Lane, Waiting


class Recorder:
    """An embedder that notes its calls; a picture's embedding is its first byte."""

    def __init__(self, *, slow_s: float = 0.0) -> None:
        self.calls: list[list[int]] = []
        self.out_at_once = 0
        self._out = 0
        self._slow_s = slow_s

    async def __call__(self, pixels: Pixels) -> Embedding:
        self._out += 1
        self.out_at_once = max(self.out_at_once, self._out)
        self.calls.append([int(picture.flat[0]) for picture in pixels])
        await asyncio.sleep(self._slow_s)
        self._out -= 1
        if 255 in self.calls[-1]:
            raise EmbedderUnavailableError("away")
        if 254 in self.calls[-1]:
            raise EmbedFailedError("this batch")
        vectors = pixels.reshape(len(pixels), -1)[:, :1].astype(np.float32)
        vectors[vectors == 253] = np.nan
        return vectors


def put(batcher: Batcher, lane: Lane, value: int) -> Waiting[Pixels, Embedding]:
    picture = np.full((2, 2, 3), value, np.uint8)
    waiting: Waiting[Pixels, Embedding] = Waiting(picture, asyncio.Future())
    batcher.waitlist.put(lane, waiting)
    return waiting


async def embed_all(
    batcher: Batcher, values: list[int], *, early: bool = False, background: bool = False
) -> list[float | BaseException]:
    lane = batcher.lane(early=early, background=background)
    waiting = [put(batcher, lane, value) for value in values]
    found = await asyncio.gather(*(one.result for one in waiting), return_exceptions=True)
    return [one if isinstance(one, BaseException) else float(one[0]) for one in found]


def test_every_picture_gets_its_own_embedding_in_full_batches_one_call_at_a_time() -> None:
    async def scenario() -> None:
        embed = Recorder()
        values = list(range(100))
        assert await embed_all(Batcher(embed, max_batch_size=16), values) == values
        assert [len(call) for call in embed.calls] == [*[16] * 6, 4]
        assert embed.out_at_once == 1

    asyncio.run(scenario())


def test_a_lane_that_is_wanted_early_begins_small_and_soon_fills_every_call() -> None:
    async def scenario() -> None:
        embed = Recorder()
        await embed_all(Batcher(embed, max_batch_size=16), list(range(52)), early=True)
        assert [len(call) for call in embed.calls] == [1, 1, 2, 4, 8, 16, 16, 4]

    asyncio.run(scenario())


def test_a_lone_picture_after_a_burst_goes_out_at_once_and_alone() -> None:
    async def scenario() -> None:
        embed = Recorder()
        batcher = Batcher(embed, max_batch_size=16)
        await embed_all(batcher, list(range(50)))
        calls = len(embed.calls)
        lane = batcher.lane()
        lone = put(batcher, lane, 7).result
        for _ in range(3):  # no timer: a few turns of the event loop are enough
            await asyncio.sleep(0)
        assert embed.calls[calls:] == [[7]]
        assert (await lone)[0] == 7

    asyncio.run(scenario())


def test_a_request_with_two_does_not_wait_for_all_of_one_with_forty() -> None:
    async def scenario() -> None:
        embed = Recorder(slow_s=0.001)
        batcher = Batcher(embed, max_batch_size=4)
        first = asyncio.ensure_future(embed_all(batcher, [1] * 40))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(embed_all(batcher, [2, 2]))
        await asyncio.gather(first, second)
        assert max(n for n, call in enumerate(embed.calls) if 2 in call) <= 1

    asyncio.run(scenario())


def test_one_bad_vector_fails_alone_and_a_failed_call_fails_its_batch() -> None:
    async def scenario() -> None:
        batcher = Batcher(Recorder(), max_batch_size=2)
        outcomes = await embed_all(batcher, [1, 253, 2, 254, 3])
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds == [float, EmbedFailedError, EmbedFailedError, EmbedFailedError, float]
        assert (outcomes[0], outcomes[4]) == (1, 3)

    asyncio.run(scenario())


def test_when_the_embedder_is_away_nothing_waits_for_its_turn_to_fail() -> None:
    async def scenario() -> None:
        embed = Recorder()
        outcomes = await embed_all(Batcher(embed, max_batch_size=2), [255] + [1] * 20)
        assert {type(outcome) for outcome in outcomes} == {EmbedderUnavailableError}
        assert len(embed.calls) == 1

    asyncio.run(scenario())


def test_a_request_that_leaves_takes_its_waiting_pictures_with_it() -> None:
    async def scenario() -> None:
        embed = Recorder(slow_s=0.01)
        batcher = Batcher(embed, max_batch_size=1)
        gone = asyncio.ensure_future(embed_all(batcher, [1] * 30))
        await asyncio.sleep(0.015)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert await embed_all(batcher, [2]) == [2]
        assert sum(call == [1] for call in embed.calls) < 5

    asyncio.run(scenario())


def test_the_background_waits_for_everything_else_and_goes_in_small_batches() -> None:
    async def scenario() -> None:
        embed = Recorder(slow_s=0.001)
        batcher = Batcher(embed, max_batch_size=8)
        behind = asyncio.ensure_future(embed_all(batcher, [9] * 12, background=True))
        await asyncio.sleep(0)
        await embed_all(batcher, [1] * 30)
        assert sum(9 in call for call in embed.calls[:-1]) <= 2
        await behind
        assert max(call.count(9) for call in embed.calls) <= 4
        assert not [call for call in embed.calls if {1, 9} <= set(call)]

    asyncio.run(scenario())


def test_a_picture_in_an_urgent_lane_too_is_embedded_once() -> None:
    async def scenario() -> None:
        embed = Recorder(slow_s=0.001)
        batcher = Batcher(embed, max_batch_size=2)
        behind, urgent = batcher.lane(background=True), batcher.lane()
        waiting = [put(batcher, behind, value) for value in range(10)]
        batcher.waitlist.put(urgent, waiting[9])
        await waiting[9].result
        assert len(embed.calls) <= 2
        await asyncio.gather(*(one.result for one in waiting))
        assert sorted(value for call in embed.calls for value in call) == list(range(10))

    asyncio.run(scenario())
