"""Clients of every kind at once, who know what each answer has to be; FAULTS_S sets how long."""

import base64
import json
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import psutil

from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import HANGS_S, Service, wait_until

LASTS_S = float(os.environ.get("FAULTS_S", "180"))
KINDS = ["rank"] * 4 + ["stream", "prefetch", "leaves", "half a body"]
QUERY = base64.b64encode(PHOTOS["cat"]).decode()
REFUSED = (429, 503)
SAME = 1e-4
"""Scores of one picture in batches of different make-up differ by less."""
GROWTH_BYTES = 60_000_000
"""What memory may differ by before and after: allocator slack, not a leak of minutes of load."""
LAZY = 70
"""Files that are opened when first needed and stay: 64 idle connections to hosts, a few pipes."""


@dataclass
class Tally:
    """What the clients saw, from all threads."""

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"statuses {dict(self.statuses)}\npictures {dict(self.reasons)}"


class Load:
    """Clients in threads until the block ends; then none is without its answer.

    Args:
        service: asked by all of them.
        images: has the pictures; may be changed for another one.
        clients: at once.
        cut_off: whether an answer may fail to come that was asked for at this time.
        reasons: why a picture may fail; none may by default.

    Attributes:
        tally: what they saw.
    """

    def __init__(
        self,
        service: Service,
        images: ImageServer,
        *,
        clients: int = 10,
        cut_off: Callable[[float], bool] = lambda _: False,
        reasons: tuple[str, ...] = (),
    ) -> None:
        self._service, self.images = service, images
        self._cut_off, self._reasons = cut_off, reasons
        self.tally = Tally()
        self.scores = scores(service, images)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=(number,)) for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_an_answer(self) -> None:
        """Returns once one more request has been answered with 200."""
        before = self.tally.statuses["200"]
        wait_until(lambda: self.tally.statuses["200"] > before, self._service.log)

    def _client(self, number: int) -> None:
        chance = random.Random(number)
        url = self._service.url
        with httpx.Client(base_url=url, timeout=HANGS_S, trust_env=False) as client:
            while not self._over.is_set():
                kind = chance.choice(KINDS)
                asked = time.monotonic()
                try:
                    self._ask(client, kind, chance)
                except httpx.TimeoutException:
                    if kind != "leaves":
                        self.tally.surprises.append(f"{kind}: no answer at all")
                except (httpx.TransportError, OSError) as error:
                    if not self._cut_off(asked):
                        self.tally.surprises.append(f"{kind}: {error!r}")
                    self.tally.statuses[type(error).__name__] += 1
                    time.sleep(0.1)  # more than a busy loop

    def _ask(self, client: httpx.Client, kind: str, chance: random.Random) -> None:
        if kind == "half a body":
            target = client.base_url
            with socket.create_connection((target.host, target.port or 80)) as half:
                half.sendall(b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
            return
        # Half of them known from before, the others new.
        marks = [chance.choice(("known", f"{chance.random()}")) for _ in range(10)]
        names = [chance.choice(list(self.scores)) for _ in marks]
        body: dict[str, Any] = {
            "candidates": [
                {"auction_id": str(n), "image_url": f"{self.images.photo(name)}?{mark}"}
                for n, (name, mark) in enumerate(zip(names, marks, strict=True))
            ]
        }
        if kind == "prefetch":
            self._judge(client.post("/prefetch", json=body), [])
            return
        body["query_image_base64"] = QUERY
        if kind == "leaves":
            client.post("/rank", json=body, timeout=chance.random())
            return
        path = "/rank/stream" if kind == "stream" else "/rank"
        self._judge(client.post(path, json=body), names)

    def _judge(self, response: httpx.Response, names: list[str]) -> None:
        status = response.status_code
        self.tally.statuses[str(status)] += 1
        if status in REFUSED:
            shape = set(response.json())
            if shape != {"error", "detail"} or "retry-after" not in response.headers:
                self.tally.surprises.append(f"{status} {response.text[:300]}")
            time.sleep(0.1)  # less than Retry-After says, and more than a busy loop
        elif status not in (200, 202):
            self.tally.surprises.append(f"{status} {response.text[:300]}")
        elif names:
            last = json.loads(response.text.splitlines()[-1])
            if last.get("type") == "error":
                self.tally.statuses["stream error"] += 1
                if "went wrong" in last["error"]:
                    self.tally.surprises.append(f"stream: {last}")
            else:
                self._account(last.get("answer", last), names)

    def _account(self, answer: dict[str, Any], names: list[str]) -> None:
        for one in answer["results"]:
            expected = self.scores[names[int(one["auction_id"])]]
            if abs(one["score"] - expected) > SAME:
                self.tally.surprises.append(f"{one['score']} where {expected} was right")
        for one in answer["failed"]:
            self.tally.reasons[one["reason"]] += 1
            if one["reason"] not in self._reasons:
                self.tally.surprises.append(f"{one}")
        self.tally.reasons["ranked"] += len(answer["results"])
        ids = [int(one["auction_id"]) for one in answer["results"] + answer["failed"]]
        if sorted(ids) != list(range(len(names))):
            self.tally.surprises.append(f"candidates unaccounted for: {answer['meta']}")


def scores(service: Service, images: ImageServer) -> dict[str, float]:
    """What each photograph gets, by name, beside the cat; all anew."""
    names = list(PHOTOS)
    urls = [f"{images.photo(name)}?{random.random()}" for name in names]
    answer = service.ranked(query=PHOTOS["cat"], candidates=urls)
    assert answer["failed"] == []
    return {names[int(one["auction_id"])]: one["score"] for one in answer["results"]}


def assert_right_again(service: Service, images: ImageServer, before: dict[str, float]) -> None:
    """Waits until the service is well, without a restart of it, and compares the scores."""
    service.wait_until_ok()

    def whole() -> bool:
        urls = [f"{images.photo(name)}?{random.random()}" for name in before]
        return bool(service.ranked(query=PHOTOS["cat"], candidates=urls)["failed"] == [])

    wait_until(whole, service.log)
    after = scores(service, images)
    assert all(abs(after[name] - before[name]) < SAME for name in before), (before, after)


def running(service: Service, name: str) -> psutil.Process:
    """The process that runs this BentoML service; waits until there is one."""
    found: list[psutil.Process] = []

    def there() -> bool:
        for process in service.processes():
            with suppress(psutil.Error):  # a zombie, or gone
                if name in process.cmdline():
                    found.append(process)
        return bool(found)

    wait_until(there, service.log)
    return found[-1]


def used(service: Service) -> dict[str, int]:
    """Processes, and their open files and memory (PSS)."""
    found = Counter(processes=0, files=0, bytes=0)
    for process in service.processes():
        try:
            found.update(processes=1, files=process.num_fds(), bytes=process.memory_full_info().pss)
        except psutil.Error:
            continue
    return dict(found)


def assert_nothing_left(service: Service, before: dict[str, int]) -> dict[str, int]:
    """Waits until the processes have no more than ``before``, idle connections ended."""
    service.wait_until_idle()
    allowed = {"processes": 0, "files": LAZY, "bytes": GROWTH_BYTES}

    def back() -> bool:
        now = used(service)
        return all(now[name] <= before[name] + more for name, more in allowed.items())

    wait_until(back, lambda: f"{before} {used(service)}")
    return used(service)


def assert_quiet(log: str) -> None:
    """Nothing broke that nobody expected to."""
    for sign in ("Traceback", "never retrieved", "was destroyed but it is pending"):
        assert sign not in log, log[max(0, log.index(sign) - 500) :][:3000]
