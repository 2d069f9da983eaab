"""The shared cache against a Redis that does not speak Redis; tests/redis has a real one."""

import asyncio
import time
from collections.abc import Iterator

import numpy as np
import pytest

from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.shared_cache import Entry, SharedCache
from tests.hostile.garbage_redis import ANSWERS, GarbageRedis
from tests.running import HANGS_S

ENTRY = Entry(Embedded(np.eye(8, dtype=np.float32)[0], b""), time.time())


@pytest.fixture
def garbage() -> Iterator[GarbageRedis]:
    with GarbageRedis() as server:
        yield server


@pytest.mark.parametrize("when", ["early", "late", "and hangs up"])
@pytest.mark.parametrize("what", ANSWERS)
def test_garbage_counts_as_away(
    garbage: GarbageRedis, monkeypatch: pytest.MonkeyPatch, what: str, when: str
) -> None:
    monkeypatch.setattr("clip_ranker.pictures.shared_cache.LEFT_ALONE_S", 0)
    garbage.answer = ANSWERS[what]
    garbage.early, garbage.hangs_up = when == "early", when == "and hangs up"

    async def scenario() -> None:
        cache = SharedCache(garbage.url, ttl_s=60, timeout_s=0.1)
        for _ in range(3):
            await cache.put({"b": ENTRY})
            assert await cache.get(["a"], dim=8) == {}
        await cache.close()

    asyncio.run(asyncio.wait_for(scenario(), HANGS_S))
    assert garbage.asked
