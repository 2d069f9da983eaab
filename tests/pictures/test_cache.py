import asyncio
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clip_ranker.decode.fingerprint import FINGERPRINT_BYTES
from clip_ranker.decode.points import MOST_BYTES
from clip_ranker.errors import DownloadFailedError
from clip_ranker.models.preprocess import Preprocess
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.cache import ENTRY_OVERHEAD_BYTES, FAILURE_TTL_S, EmbeddingCache
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.source import Keys
from clip_ranker.settings import Settings
from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode, picture
from tests.running import Service

CAT = PHOTOS["cat"]
ENTRY_BYTES = 32 + FINGERPRINT_BYTES + ENTRY_OVERHEAD_BYTES
MODEL = StoredModel(
    "m", Path("m"), Preprocess(64, 64, (0.5,) * 3, (0.5,) * 3), 8, "source", "digest"
)


def vector(number: int) -> np.ndarray:
    made = np.random.default_rng(number).normal(size=8).astype(np.float32)
    return made / np.linalg.norm(made)


def embedded(number: int) -> Embedded:
    return Embedded(vector(number), bytes(FINGERPRINT_BYTES))


def test_what_goes_in_comes_out_read_only_and_on_its_own() -> None:
    cache = EmbeddingCache(Settings())
    batch = np.stack([vector(n) for n in range(3)])
    cache.put("a", Embedded(batch[1], b"mark"), bytes_key="bytes", share=False)
    batch[:] = 0
    found = cache.get("a")
    assert found is not None
    assert (found.embedding == vector(1)).all()
    assert found.embedding.base is None
    assert not found.embedding.flags.writeable
    assert found.fingerprint == b"mark"
    assert cache.get("b") is None


def test_points_are_kept_and_count() -> None:
    pointed = dataclasses.replace(embedded(1), points=bytes(MOST_BYTES))
    assert pointed.nbytes == embedded(1).nbytes + MOST_BYTES
    cache = EmbeddingCache(Settings(cache_bytes=ENTRY_BYTES + MOST_BYTES))
    cache.put("a", pointed, bytes_key="bytes", share=False)
    assert [one and one.points for one in map(cache.peek, ("a", "bytes"))] == [
        bytes(MOST_BYTES)
    ] * 2
    cache.put("b", embedded(2), bytes_key="other", share=False)
    assert cache.peek("a") is None


def test_what_is_kept_is_found_by_its_bytes_too_and_is_one_array() -> None:
    cache = EmbeddingCache(Settings(cache_bytes=2 * ENTRY_BYTES))
    for key in ("a", "b"):
        cache.put(key, embedded(1), bytes_key="bytes", share=False)
    assert cache.peek("a") is cache.peek("b") is cache.peek("bytes") is not None
    for key in ("c", "d"):  # push the others out
        cache.put(key, embedded(2), bytes_key="other", share=False)
    assert cache.peek("bytes") is None


def test_memory_is_bounded_by_bytes_and_the_least_recently_used_goes_first() -> None:
    cache = EmbeddingCache(Settings(cache_bytes=10 * ENTRY_BYTES))
    for number in range(10):
        cache.put(str(number), embedded(number), bytes_key=f"bytes {number}", share=False)
    assert cache.get("0") is not None  # used, so "1" is now the oldest
    cache.put("new", embedded(99), bytes_key="bytes", share=False)
    assert cache.get("1") is None
    assert all(cache.get(key) is not None for key in ("0", "2", "9", "new"))


def test_an_entry_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    cache = EmbeddingCache(Settings(cache_ttl_s=60))
    cache.put("a", embedded(1), bytes_key="bytes", share=False)
    monkeypatch.setattr(cache._memory.timer, "_Timer__timer", lambda: now + 59, raising=True)
    assert cache.get("a") is not None
    monkeypatch.setattr(cache._memory.timer, "_Timer__timer", lambda: now + 61, raising=True)
    assert cache.get("a") is None


def test_a_failure_is_remembered_for_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = EmbeddingCache(Settings())
    cache.put_failure("a", DownloadFailedError("http_status", status=404))
    with pytest.raises(DownloadFailedError, match="HTTP 404"):
        cache.get("a")
    now = time.monotonic() + FAILURE_TTL_S + 0.1
    monkeypatch.setattr(cache._failures.timer, "_Timer__timer", lambda: now)
    assert cache.get("a") is None
    assert FAILURE_TTL_S <= 10


def test_no_cache_at_all_remembers_nothing() -> None:
    cache = EmbeddingCache(Settings(cache_bytes=0))
    cache.put("a", embedded(1), bytes_key="bytes", share=True)
    cache.put_failure("b", DownloadFailedError("http_status", status=404))
    assert cache.get("a") is None
    assert cache.get("b") is None
    asyncio.run(cache.close())


def test_keys_differ_by_everything_that_changes_the_embedding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other_pixels = dataclasses.replace(MODEL.preprocess, interpolation="bilinear")
    models = [
        MODEL,
        dataclasses.replace(MODEL, name="n"),
        dataclasses.replace(MODEL, digest="other"),
        dataclasses.replace(MODEL, preprocess=other_pixels),
    ]
    keys = [
        key
        for keys in (*map(Keys, models), Keys(MODEL, local_features=True))
        for size in (500, 768)
        for key in (
            keys.of_url("http://a/", size),
            keys.of_url("http://a/?", size),
            asyncio.run(keys.of_bytes(b"http://a/", size)),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert Keys(MODEL).of_url("http://a/", 500) == keys[0]
    monkeypatch.setattr("clip_ranker.pictures.source.RECIPE", 0)
    assert Keys(MODEL).of_url("http://a/", 500) not in keys


def test_the_second_request_downloads_and_embeds_nothing(
    service: Service, images: ImageServer
) -> None:
    urls = [images.put(f"/second/{n}", PHOTOS["coffee"]) for n in range(5)]
    first = service.ranked(query=CAT, candidates=urls)
    again = service.ranked(query=CAT, candidates=urls)
    assert (first["meta"]["cached"], again["meta"]["cached"]) == (0, 5)
    assert again["results"] == first["results"]
    assert again["meta"]["timing_ms"]["embed"] == 0  # of the photo neither
    assert {images.hits[f"/second/{n}"] for n in range(5)} == {1}
    other = service.ranked(query=CAT, candidates=urls, image_resize=300)
    assert other["meta"]["cached"] == 0


def test_one_url_many_times_in_one_request_is_downloaded_once(
    service: Service, images: ImageServer
) -> None:
    url = images.put("/many", PHOTOS["coffee"])
    answer = service.ranked(query=CAT, candidates=[url] * 20)
    assert images.hits["/many"] == 1
    assert len({result["score"] for result in answer["results"]}) == 1


def test_a_dead_url_is_asked_once_in_a_while(service: Service, images: ImageServer) -> None:
    first, again = (service.ranked(query=CAT, candidates=[images.url("/dead")]) for _ in range(2))
    assert images.hits["/dead"] == 1
    assert first["failed"] == again["failed"]


def test_a_changed_picture_is_seen_when_the_entrys_time_is_over(
    serve: Callable[..., Service], images: ImageServer
) -> None:
    service = serve(CLIP_CACHE_TTL_S="1")
    url = images.put("/changing", PHOTOS["coffee"])
    before = service.ranked(query=CAT, candidates=[url])
    images.put("/changing", encode(picture("cat")))
    end = time.monotonic() + 10
    while (after := service.ranked(query=CAT, candidates=[url]))["meta"]["cached"]:
        assert time.monotonic() < end
    assert before["results"][0]["score"] < 0.99 < after["results"][0]["score"]
