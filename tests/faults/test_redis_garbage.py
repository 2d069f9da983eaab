"""A Redis that answers garbage of every kind, under load."""

import time
from collections.abc import Callable

import pytest

from tests.faults.load import (
    LASTS_S,
    Load,
    assert_nothing_left,
    assert_quiet,
    assert_right_again,
    used,
)
from tests.hostile.garbage_redis import ANSWERS, GarbageRedis
from tests.image_server import ImageServer
from tests.running import Service


def test_a_redis_that_answers_garbage_costs_nothing(
    serve: Callable[..., Service], images: ImageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with GarbageRedis() as garbage:
        service = serve(CLIP_CACHE_URL=garbage.url, CLIP_DOWNLOAD_TIMEOUT_S="60")
        with Load(service, images):  # buffers, threads and caches reach their size
            time.sleep(LASTS_S / 10)
        service.wait_until_idle()
        before = used(service)
        end = time.monotonic() + LASTS_S
        with Load(service, images) as load:
            while time.monotonic() < end:
                for garbage.answer in ANSWERS.values():
                    for garbage.early in (False, True):
                        garbage.wait_until_asked()
        assert_right_again(service, images, load.scores)
        after = assert_nothing_left(service, before)
    with capsys.disabled():
        print(f"\n{load.tally}\nasked {garbage.asked} times\nbefore {before}\nafter  {after}")
    assert load.tally.surprises == []
    assert load.tally.statuses["200"]
    assert set(load.tally.statuses) <= {"200", "202", "429"}
    assert_quiet(service.log())
