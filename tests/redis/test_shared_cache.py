"""The shared cache against a real redis-server, which is killed, paused and filled up."""

import asyncio
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import redis

from clip_ranker.decode.fingerprint import FINGERPRINT_BYTES
from clip_ranker.decode.points import MOST_BYTES, POINT
from clip_ranker.pictures.embedded import TEXT_KEY, Embedded
from clip_ranker.pictures.shared_cache import (
    HEADER,
    LEFT_ALONE_S,
    MAGIC,
    PREFIX,
    Entry,
    SharedCache,
)
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import HANGS_S, Service, free_port, wait_until

CAT = PHOTOS["cat"]
DIM = 8


class Redis:
    """A redis-server of our own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port)

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "install Debian's redis-server"
        options = ["--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server() -> Iterator[Redis]:
    redis_ = Redis()
    redis_.start()
    yield redis_
    redis_.process.send_signal(signal.SIGCONT)
    redis_.kill()
    redis_.client.close()


def entry(number: int, made_s: float | None = None) -> Entry:
    vector = np.random.default_rng(number).normal(size=DIM).astype(np.float32)
    embedded = Embedded(vector / np.linalg.norm(vector), bytes([number]) * FINGERPRINT_BYTES)
    return Entry(embedded, time.time() if made_s is None else made_s)


def value(vector: bytes, made_s: float | None = None, magic: bytes = MAGIC) -> bytes:
    """As an entry is stored."""
    made_s = time.time() if made_s is None else made_s
    return HEADER.pack(magic, made_s) + bytes(FINGERPRINT_BYTES) + vector


VECTOR = entry(1).embedded.embedding


def shared(server: Redis, **more: float) -> SharedCache:
    return SharedCache(server.url, **{"ttl_s": 60, "timeout_s": 60, **more})


def run(server: Redis, scenario: "Callable[[SharedCache], object]", **more: float) -> None:
    async def wrapped() -> None:
        cache = shared(server, **more)
        await scenario(cache)  # type: ignore[misc]
        await cache.close()

    asyncio.run(asyncio.wait_for(wrapped(), HANGS_S))


def calls(server: Redis) -> int:
    stats = server.client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("mget", "get"))


def test_fifty_keys_come_back_as_they_went_in_one_read(server: Redis) -> None:
    async def scenario(cache: SharedCache) -> None:
        entries = {str(number): entry(number) for number in range(50)}
        await cache.get(["connected"], dim=DIM)
        before = reads(server)
        await cache.put(entries)
        # Of the socket, 16 KB at most each: one a key would be fifty.
        assert reads(server) - before < len(entries) / 2
        before = calls(server)
        found = await cache.get([*entries, "missing"], dim=DIM)
        assert calls(server) - before == 1
        assert set(found) == set(entries)
        for key, one in found.items():
            assert (one.embedded.embedding == entries[key].embedded.embedding).all()
            assert one.embedded.fingerprint == entries[key].embedded.fingerprint
            assert one.made_s == entries[key].made_s

    run(server, scenario)
    assert 0 < server.client.ttl(PREFIX + "0") <= 60


def test_texts_come_back_without_a_fingerprint_and_pictures_only_with_one(server: Redis) -> None:
    async def scenario(cache: SharedCache) -> None:
        text = Entry(Embedded(VECTOR, b""), time.time())
        await cache.put({f"{TEXT_KEY}1": text, "picture": entry(1)})
        server.client.copy(f"{PREFIX}picture", f"{PREFIX}{TEXT_KEY}2")
        server.client.copy(f"{PREFIX}{TEXT_KEY}1", f"{PREFIX}another picture")
        asked = [f"{TEXT_KEY}1", f"{TEXT_KEY}2", "picture", "another picture"]
        found = await cache.get(asked, dim=DIM)
        assert set(found) == {f"{TEXT_KEY}1", "picture"}
        assert found[f"{TEXT_KEY}1"].embedded.fingerprint == b""
        assert (found[f"{TEXT_KEY}1"].embedded.embedding == VECTOR).all()

    run(server, scenario)


def test_points_come_back_and_only_where_they_are_kept(server: Redis) -> None:
    def pointed(count_bytes: int) -> Entry:
        return replace(entry(1), embedded=replace(entry(1).embedded, points=b"p" * count_bytes))

    entries = {str(n): pointed(n) for n in (0, POINT.itemsize, MOST_BYTES)}
    wrong = {str(n): pointed(n) for n in (1, POINT.itemsize - 1, MOST_BYTES + POINT.itemsize)}
    text = {f"{TEXT_KEY}1": Entry(Embedded(VECTOR, b"", bytes(POINT.itemsize)), time.time())}

    async def scenario(cache: SharedCache) -> None:
        pointing = shared(server, local_features=True)
        await pointing.put(entries | wrong | text)
        found = await pointing.get([*entries, *wrong, *text], dim=DIM)
        assert {key: one.embedded.points for key, one in found.items()} == {
            key: one.embedded.points for key, one in entries.items()
        }
        for one in found.values():
            assert (one.embedded.embedding == VECTOR).all()
            assert one.embedded.fingerprint == entry(1).embedded.fingerprint
        await pointing.close()
        assert set(await cache.get([*entries], dim=DIM)) == {"0"}

    run(server, scenario)


def reads(server: Redis) -> int:
    """Times the server read from a client's socket."""
    count: int = server.client.info("stats")["total_reads_processed"]
    return count


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\x80\x04N.",  # a pickle
        value(np.zeros(DIM, "<f4").tobytes()),
        value(np.full(DIM, np.nan, "<f4").tobytes()),
        value(np.full(DIM, np.inf, "<f4").tobytes()),
        value(np.full(DIM, 1e30, "<f4").tobytes()),
        value(VECTOR[:-1].tobytes()),
        value(VECTOR.astype("<f8").tobytes()),
        value(VECTOR.tobytes(), magic=b"CRe2"),
        struct.pack("<4sd", b"CRe1", time.time()) + VECTOR.tobytes(),  # of before fingerprints
        value(VECTOR.tobytes(), time.time() - 3600),
        value(VECTOR.tobytes(), time.time() + 3600),
        value(VECTOR.tobytes(), float("nan")),
    ],
)
def test_what_is_not_a_fresh_unit_vector_is_not_taken(server: Redis, stored: bytes) -> None:
    server.client.set(PREFIX + "bad", stored)

    async def scenario(cache: SharedCache) -> None:
        await cache.put({"good": entry(1)})
        assert set(await cache.get(["bad", "good"], dim=DIM)) == {"good"}

    run(server, scenario, ttl_s=3000)


def test_entries_of_another_version_are_left_alone(server: Redis) -> None:
    server.client.set("clip-ranker:a", b"of an older one")
    server.client.set("clip-ranker:CRe9:a", b"of a newer one")

    async def scenario(cache: SharedCache) -> None:
        await cache.put({"a": entry(1)})
        assert set(await cache.get(["a"], dim=DIM)) == {"a"}

    run(server, scenario)
    assert server.client.get("clip-ranker:a") == b"of an older one"
    assert server.client.get("clip-ranker:CRe9:a") == b"of a newer one"


def test_a_key_of_another_type_is_passed_over(server: Redis) -> None:
    server.client.lpush(PREFIX + "list", "x")

    async def scenario(cache: SharedCache) -> None:
        await cache.put({"good": entry(1)})
        assert set(await cache.get(["list", "good"], dim=DIM)) == {"good"}

    run(server, scenario)


@pytest.mark.parametrize("trouble", ["killed", "paused", "full"])
def test_trouble_is_passed_over_quickly_said_once_and_ends(
    server: Redis, trouble: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clip_ranker.pictures.shared_cache.LEFT_ALONE_S", 0)

    async def scenario(cache: SharedCache) -> None:
        while not await cache.get(["a"], dim=DIM):
            await cache.put({"a": entry(1)})
        caplog.clear()
        if trouble == "killed":
            server.kill()
        elif trouble == "paused":
            server.process.send_signal(signal.SIGSTOP)
        else:
            server.client.config_set("maxmemory", "100kb")  # less than it uses when empty
        for _ in range(3):
            await cache.put({"b": entry(2)})
            assert set(await cache.get(["a", "b"], dim=DIM)) == (
                {"a"} if trouble == "full" else set()
            )
        told = [line for line in caplog.messages if "going on without" in line]
        assert len(told) == (1 if trouble == "full" else 2)  # of writing, and of reading
        if trouble == "killed":
            server.start()
        elif trouble == "paused":
            server.process.send_signal(signal.SIGCONT)
        else:
            server.client.config_set("maxmemory", "0")
        while not await cache.get(["c"], dim=DIM):
            await cache.put({"c": entry(3)})
        assert sum("it again" in line for line in caplog.messages) == len(told)

    run(server, scenario, timeout_s=0.5 if trouble == "paused" else 60)


def test_after_trouble_it_is_left_alone_for_a_while(
    server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LEFT_ALONE_S > 1
    monkeypatch.setattr("clip_ranker.pictures.shared_cache.LEFT_ALONE_S", 3600)

    async def scenario(cache: SharedCache) -> None:
        await cache.put({"a": entry(1)})
        server.kill()
        assert not await cache.get(["a"], dim=DIM)
        server.start()
        before = calls(server)
        assert not await cache.get(["a"], dim=DIM)
        assert calls(server) == before

    run(server, scenario)


def replicas(serve: Callable[..., Service], server: Redis, **settings: str) -> list[Service]:
    """Two that differ in what does not matter, else they would be one service."""
    settings |= {"CLIP_CACHE_URL": server.url, "CLIP_CACHE_TIMEOUT_S": "10"}
    return [serve(CLIP_DEMO=str(n), **settings) for n in (0, 1)]


def test_replicas_share_and_models_do_not(
    server: Redis, serve: Callable[..., Service], images: ImageServer
) -> None:
    one, two = replicas(serve, server)
    urls = [images.put(f"/shared/{n}", PHOTOS["coffee"]) for n in range(10)]
    first = one.ranked(query=CAT, candidates=urls)
    wait_until(lambda: server.client.dbsize() == 10, server.client.dbsize)
    again = two.ranked(query=CAT, candidates=urls)
    assert (first["meta"]["cached"], again["meta"]["cached"]) == (0, 10)
    assert again["results"] == first["results"]
    assert {images.hits[f"/shared/{n}"] for n in range(10)} == {1}
    assert server.client.dbsize() == 10  # the photo stays in memory
    other = serve("efficientnet_lite0", CLIP_CACHE_URL=server.url)
    assert other.ranked(query=CAT, candidates=urls)["meta"]["cached"] == 0


def test_what_is_prefetched_here_is_a_hit_there_before_all_of_it_is_done(
    server: Redis, serve: Callable[..., Service], images: ImageServer
) -> None:
    one, two = replicas(serve, server, CLIP_DOWNLOAD_TIMEOUT_S="60")
    done, slow = images.put("/ahead/0", PHOTOS["coffee"]), images.url("/held/rocket?ahead")
    before = images.hits["/held/rocket"]
    with images.holding():
        ahead = [{"auction_id": url, "image_url": url} for url in (done, slow)]
        one.client.post("/prefetch", json={"candidates": ahead}).raise_for_status()
        wait_until(lambda: server.client.dbsize() == 1, server.client.dbsize)
        assert two.ranked(query=CAT, candidates=[done])["meta"]["cached"] == 1
        assert images.hits["/ahead/0"] == 1
        assert images.hits["/held/rocket"] - before == 1  # its time is not over yet


def test_a_service_goes_on_while_redis_is_paused(
    server: Redis, serve: Callable[..., Service], images: ImageServer
) -> None:
    service = serve(CLIP_CACHE_URL=server.url)
    server.process.send_signal(signal.SIGSTOP)
    urls = [images.put(f"/paused/{n}", PHOTOS["coffee"]) for n in range(3)]
    assert service.ranked(query=CAT, candidates=urls)["meta"]["succeeded"] == 3
    metric = "clip_ranker_cache_backend_errors_total "
    line = next(x for x in service.client.get("/metrics").text.splitlines() if x.startswith(metric))
    assert float(line.rsplit(" ", 1)[1]) >= 1
    assert service.log().count("going on without reading it") == 1


def test_replicas_count_a_client_s_requests_together(
    server: Redis, serve: Callable[..., Service]
) -> None:
    one, two = replicas(serve, server, CLIP_RATE_LIMIT="3/hour")
    statuses = [service.rank(query=CAT).status_code for service in (one, two, one, two, one)]
    assert statuses == [200, 200, 200, 429, 429]
    assert int(one.rank(query=CAT).headers["retry-after"]) > 0
