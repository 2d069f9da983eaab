"""Minutes of everything going wrong at once; at the end nothing is missing and nothing is left.

Clients at full load while servers drip, reset, stall and lie, clients hang up, and the embedder
process is killed and frozen again and again. FAULTS_S sets how long (180 s).
"""

import base64
import contextlib
import json
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from tests.cheap import ask_for_health
from tests.hostile import files
from tests.hostile.answers import BROKEN, OK
from tests.hostile.raw_server import RawServer, drip, reset, until_closed
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import HANGS_S, Service, wait_until

LASTS_S = float(os.environ.get("FAULTS_S", "180"))
CLIENTS = 12
MAX_REQUESTS = 10
"""Fewer than there are clients, so that 429 happens."""
BLOWS = 2
"""At least one of each kind, however long that takes."""
ODD = ["url", "bad url", "bad body", "leaves", "stream", "holds on"]
"""What a client does once for every six plain requests."""
LAZY = 6
"""Threads and connections that are made when first needed, and stay: asyncio's own, a few."""
CHEAP = 30_000
"""Requests for /healthz on top; 2 KB that each left behind would be noticed."""
GROWTH_BYTES = 60_000_000
"""What memory may differ by before and after: allocator slack, not a leak of minutes of load."""


@dataclass
class Tally:
    """What happened, from all threads."""

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    in_flight: dict[int, float] = field(default_factory=dict)
    refusals_s: list[float] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    slowest_s: float = 0.0


@pytest.fixture
def urls(images: ImageServer) -> Iterator[Callable[[random.Random], list[str]]]:
    """Draws the candidates of a request: half of them fine, half of them trouble."""
    with RawServer() as raw:
        raw.acts["/stall"] = until_closed
        raw.acts["/drip"] = drip(b"1\r\nx\r\n")
        raw.acts["/head"] = lambda one: (one.sendall(b"HTTP/1.1 200 OK\r\n"), until_closed(one))
        raw.acts["/reset"] = lambda one: (one.sendall(OK + b"\r\nabc"), reset(one))
        trouble = ["/stall", "/drip", "/head", "/reset"]
        for index, (answer, _) in enumerate(BROKEN.values()):
            trouble.append(raw.says(f"/broken/{index}", answer))
        trouble = [f"http://127.0.0.1:{raw.port}{path}" for path in trouble]
        for group in (files.not_pictures(), files.damaged(), files.too_large()):
            for name, data in group.items():
                trouble.append(images.put(f"/faults/{len(trouble)}", data, f"image/{name[:3]}"))
        trouble += ["http://10.0.0.1/", "http://redis/", "x", images.url("/status/500")]
        fine = [images.photo(name) for name in PHOTOS] + [images.url("/flaky/cat")]
        yield lambda chance: [
            chance.choice(fine if chance.random() < 0.5 else trouble) for _ in range(20)
        ]


def test_faults(
    serve: Callable[..., Service],
    images: ImageServer,
    urls: Callable[[random.Random], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = serve(
        CLIP_ALLOW_PRIVATE_HOSTS="127.0.0.1," + ",".join(_ports(urls, images)),
        CLIP_DOWNLOAD_TIMEOUT_S="1",
        CLIP_MAX_REQUESTS=str(MAX_REQUESTS),
        CLIP_EMBED_TIMEOUT_S="5",
        CLIP_REQUEST_TIMEOUT_S="600",  # or a request nobody answers would end by this
        CLIP_CACHE_BYTES="0",  # every picture goes the whole way
    )
    _load(service, urls, LASTS_S / 6, None)  # buffers, threads and caches reach their size
    before = _settled(service, None)
    tally = _load(service, urls, LASTS_S * 2 / 3, _embedder)
    ask_for_health(service, CHEAP)
    after = _settled(service, before)
    with capsys.disabled():
        print(f"\nstatuses   {dict(tally.statuses)}\nreasons    {dict(tally.reasons)}")
        print(f"embedder   {len(tally.recoveries_s)} times killed or frozen, well again after")
        print(f"           {' '.join(f'{s:.0f}' for s in tally.recoveries_s)} s; in flight refused")
        print(f"           after {max(tally.refusals_s, default=0):.1f} s at most")
        print(f"slowest    {tally.slowest_s:.1f} s\nbefore     {before}\nafter      {after}")
    assert tally.surprises == []
    assert tally.statuses["200"] > 0
    assert tally.statuses["503"] > 0
    assert tally.statuses["429"] > 0
    assert len(tally.recoveries_s) >= BLOWS
    assert after["processes"] <= before["processes"]
    assert after["threads"] <= before["threads"] + LAZY
    assert after["files"] <= before["files"] + LAZY
    assert after["bytes"] < before["bytes"] + GROWTH_BYTES
    service.wait_until_idle()
    log = service.log()
    assert "Traceback" not in log, log[max(0, log.index("Traceback") - 500) :][:3000]
    assert "never retrieved" not in log
    assert "was destroyed but it is pending" not in log


def _ports(urls: Callable[[random.Random], list[str]], images: ImageServer) -> set[str]:
    """Host and port of every server that takes part."""
    drawn = {url for seed in range(50) for url in urls(random.Random(seed))}
    return {url.split("/")[2] for url in drawn if url.startswith("http://127")} | {images.host}


def _process(service: Service, name: str) -> psutil.Process:
    """The newest process of that BentoML service."""
    found = [one for one in service.processes() if name in " ".join(_command(one))]
    return max(found, key=lambda one: one.create_time())


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _load(
    service: Service,
    urls: Callable[[random.Random], list[str]],
    lasts_s: float,
    chaos: Callable[[Service, Tally, float], None] | None,
) -> Tally:
    tally, over = Tally(), threading.Event()
    end = time.monotonic() + lasts_s
    threads = [
        threading.Thread(target=_client, args=(service, urls, tally, over, number))
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        if chaos:
            chaos(service, tally, end)
        time.sleep(max(0, end - time.monotonic()))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return tally


def _client(
    service: Service,
    urls: Callable[[random.Random], list[str]],
    tally: Tally,
    over: threading.Event,
    number: int,
) -> None:
    chance = random.Random(number)
    photo = base64.b64encode(PHOTOS["rocket"]).decode()
    with (
        httpx.Client(base_url=service.url, timeout=HANGS_S, trust_env=False) as client,
        contextlib.ExitStack() as held,
    ):
        while not over.is_set():
            body = {
                "candidates": [
                    {"auction_id": str(n), "image_url": url} for n, url in enumerate(urls(chance))
                ],
                "max_concurrency": chance.choice([1, 10, 50]),
            }
            kind = chance.choice(["photo"] * 6 + ODD)
            query = {"url": "example:cat", "bad url": "http://10.0.0.1/"}.get(kind)
            body |= {"query_image_url": query} if query else {"query_image_base64": photo}
            if kind == "bad body":
                body["top_k"] = 0
            start = tally.in_flight[number] = time.monotonic()
            try:
                if kind == "leaves":
                    leave = chance.random()
                    client.post("/rank", json=body, timeout=leave)
                    continue
                if kind == "stream":
                    answer = client.post("/rank/stream", json=body)
                    _judge_stream(answer, len(body["candidates"]), tally)
                    continue
                if kind == "holds on":
                    held.enter_context(_half_a_head(service))
                    continue
                _judge(client.post("/rank", json=body), kind, len(body["candidates"]), tally)
            except httpx.TimeoutException:
                if kind != "leaves":
                    tally.surprises.append("no answer at all")
            except httpx.HTTPError as error:
                tally.surprises.append(f"{kind}: {error!r}")
            finally:
                tally.slowest_s = max(tally.slowest_s, time.monotonic() - start)
                del tally.in_flight[number]


def _half_a_head(service: Service) -> socket.socket:
    url = httpx.URL(service.url)
    connection = socket.create_connection((url.host, url.port or 80))
    connection.sendall(b"POST /rank HTTP/1.1\r\nHost: x\r\nX: ")
    return connection


def _judge(response: httpx.Response, kind: str, candidates: int, tally: Tally) -> None:
    status = response.status_code
    said = response.json()
    tally.statuses[str(status)] += 1
    if status in (429, 503):
        time.sleep(0.2)  # less than Retry-After says, and more than a busy loop
    expected = {"bad url": {400, 429, 503}, "bad body": {400, 429, 503}}.get(kind, {200, 429, 503})
    if status not in expected:
        tally.surprises.append(f"{kind}: {status} {response.text[:300]}")
    elif status == httpx.codes.OK:
        _account(said, candidates, tally)
    elif set(said) != {"error", "detail"}:
        tally.surprises.append(f"{status} {response.text[:300]}")
    elif status != httpx.codes.BAD_REQUEST and "retry-after" not in response.headers:
        tally.surprises.append(f"{status} without Retry-After")


def _account(answer: dict, candidates: int, tally: Tally) -> None:
    meta = answer["meta"]
    tally.reasons.update(failure["reason"] for failure in answer["failed"])
    tally.reasons["ranked"] += len(answer["results"])
    names = [one["auction_id"] for one in answer["results"] + answer["failed"]]
    if (
        meta["succeeded"] + meta["failed"] != candidates
        or len(answer["failed"]) != meta["failed"]
        or sorted(names, key=int) != [str(n) for n in range(candidates)]
    ):
        tally.surprises.append(f"candidates unaccounted for: {meta}")


def _judge_stream(response: httpx.Response, candidates: int, tally: Tally) -> None:
    if response.status_code != httpx.codes.OK:
        _judge(response, "stream", candidates, tally)
        return
    tally.statuses["stream 200"] += 1
    *events, last = map(json.loads, response.text.splitlines())
    if last["type"] == "answer":
        _account(last["answer"], candidates, tally)
        if sorted(event["index"] for event in events) != list(range(candidates)):
            tally.surprises.append("a stream without an event for each candidate")
    elif last["type"] != "error":
        tally.surprises.append(f"stream: ends with {last}")


def _embedder(service: Service, tally: Tally, end: float) -> None:
    """Kills and freezes the embedder in turn, each time it is well again."""
    signals = [signal.SIGKILL, signal.SIGSTOP]
    with httpx.Client(base_url=service.url, timeout=HANGS_S, trust_env=False) as client:

        def well() -> bool:
            return client.get("/healthz").status_code == httpx.codes.OK

        def unanswered() -> dict[int, float]:
            return {n: since for n, since in struck.items() if tally.in_flight.get(n) == since}

        while time.monotonic() < end - 10 or len(tally.recoveries_s) < BLOWS:
            time.sleep(4)  # of load in between
            victim = _process(service, "ClipEmbedder")
            hit = time.monotonic()
            struck = {number: since for number, since in tally.in_flight.items() if since < hit}
            victim.send_signal(signals[len(tally.recoveries_s) % 2])
            wait_until(lambda: not well(), service.log)
            wait_until(lambda: not unanswered(), unanswered)
            tally.refusals_s.append(time.monotonic() - hit)
            wait_until(well, service.log)
            tally.recoveries_s.append(time.monotonic() - hit)


def _settled(service: Service, like: dict[str, int] | None) -> dict[str, int]:
    """Processes, and threads, open files and memory of the API's, once the service is idle.

    Waits until they are as in ``like``, or a minute, in which idle connections run out.
    """
    service.wait_until_ok()
    api = _process(service, "ClipRanker")
    end = time.monotonic() + 60
    while True:
        time.sleep(2)
        service.ranked(query=PHOTOS["cat"], candidates=["http://10.0.0.1/", "example:coffee"])
        found = {
            "processes": len(service.processes()),
            "threads": api.num_threads(),
            "files": api.num_fds(),
            "bytes": api.memory_full_info().pss,
        }
        if like is None and time.monotonic() > end - 45:
            return found
        if like and (all(found[name] <= like[name] for name in like) or time.monotonic() > end):
            return found
