"""A request's deadline, as calls of the model see it."""

import asyncio
import time

import pytest

from clip_ranker import examples
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankResponse
from clip_ranker.settings import Settings
from tests.rank.in_process import MODEL, answered, colours


def test_calls_before_the_deadline_are_as_large_as_can_be_back_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photo, *names = examples.names()
    listed = [Candidate(auction_id=name, image_url=f"example:{name}") for name in names]
    assert len(listed) >= 10
    sizes: list[int] = []

    async def rank() -> RankResponse:
        now = [0.0]
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])

        async def embed(pixels: Pixels) -> Embedding:
            """Takes a second for each; the first call lasts until all are decoded."""
            end = time.monotonic() + 60
            while not sizes and len(pictures.turns.to_embed.waiting()) < len(listed):
                assert time.monotonic() < end, "they are never all decoded"
                await asyncio.sleep(0)
            for _ in range(100):  # who waited for the call before has it by now
                await asyncio.sleep(0)
            sizes.append(len(pixels))
            now[0] += len(pixels)
            return await colours(pixels)

        pictures = Pictures(MODEL, Settings(), embed)
        photo_url = f"example:{photo}"
        return await answered(pictures, listed, query_image_url=photo_url, deadline_ms=9000)

    answer = asyncio.run(rank())
    # The photo; three quarters of the eight seconds left, of the two left; the least.
    assert sizes[:4] == [1, 6, 1, 1]
    assert answer.meta.partial
    assert len(answer.results) >= 7  # the last comes at the deadline itself
