"""Three replicas under steady load, and all that may happen to them. `make test-swarm`, in file
order: the load goes on from one test to the next, and the last one asks what became of it.
"""

import itertools
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx

from deploy.conftest import IMAGES, measured
from deploy.engine import docker, inspect
from deploy.swarm import stack
from deploy.swarm.conftest import SWARM_S, body, check, request, url
from deploy.swarm.load import Load

MARKS = itertools.count()
SPREAD_OVER = 90
"""Requests: thirty each, of which half as many elsewhere would be no accident."""
RATED_BY = 200
MORE_THAN_FULL = 30
"""Three quarters of ``CLIP_MAX_REQUESTS`` are one client's."""


def cached(client: httpx.Client, picture: str) -> bool:
    """Whether a replica has a picture without downloading it."""
    answer = client.post("/rank", json=body(picture)).raise_for_status().json()
    assert not answer["failed"], answer["failed"]
    return bool(answer["meta"]["cached"])


def ranked(client: httpx.Client) -> int:
    """Requests that a replica has ranked."""
    count = re.compile(r'^clip_ranker_stage_seconds_count\{stage="total"\} (\d+)', re.M)
    found = count.search(client.get("/metrics").text)
    return int(found[1]) if found else 0


def more(load: Load, count: int) -> None:
    """Waits for so many more answers."""
    enough = len(load.answered) + count
    stack.wait_until(lambda: len(load.answered) >= enough, f"{count} more answers")


def shared() -> bool:
    """Whether what one replica embeds is a hit on the others."""
    first, *others = (stack.client(one) for one in stack.containers())
    picture = url("gravel", f"shared-{next(MARKS)}")
    assert not cached(first, picture)
    return all(cached(other, picture) for other in others)


def test_what_one_replica_embeds_is_a_hit_on_the_others(caddy: httpx.Client) -> None:
    # It is written behind the answer, so the first time may come too soon.
    stack.wait_until(shared, "a hit on the others")


def test_a_full_replica_refuses_early_and_stays_in_service(caddy: httpx.Client) -> None:
    found = inspect("container", IMAGES)
    assert found is not None
    pictures = stack.client(found["Id"], port=80)
    replica = stack.client(stack.containers()[0])
    held = [body(f"http://{IMAGES}/held/cat.jpg?{number}") for number in range(MORE_THAN_FULL)]
    pictures.get("/hold")
    try:
        with ThreadPoolExecutor(len(held)) as pool:
            asked = [pool.submit(replica.post, "/rank", json=one) for one in held]
            stack.wait_until(lambda: any(one.done() for one in asked), "a refusal")
            healthy = replica.get("/healthz").text
            pictures.get("/release")
    finally:
        pictures.get("/release")
    assert healthy == "ok"
    answers = [one.result() for one in asked]
    refused = [one for one in answers if one.status_code != httpx.codes.OK]
    assert 0 < len(refused) < len(answers)
    assert {one.status_code for one in refused} == {429}
    assert all(int(one.headers["Retry-After"]) > 0 for one in refused)


def test_the_load_spreads(load: Load) -> None:
    more(load, 20)
    replicas = [stack.client(one) for one in stack.containers()]
    before = [ranked(replica) for replica in replicas]
    more(load, SPREAD_OVER)
    shares = [ranked(now) - then for now, then in zip(replicas, before, strict=True)]
    measured.append(f"requests of each replica: {shares}")
    assert len(shares) == stack.REPLICAS
    assert max(shares) <= 2 * min(shares), shares


def test_one_is_killed(load: Load) -> None:
    killed = stack.containers()[0]
    before = set(stack.containers())
    picture = url("retina", "before")
    for replica in before:  # by the last it is in the cache
        cached(stack.client(replica), picture)
    docker("kill", killed)
    took_s = stack.wait_until(lambda: stack.whole(without=killed), "another in its place")
    measured.append(f"killed to three healthy replicas: {took_s:.0f} s")
    (joined,) = set(stack.containers()) - before
    assert cached(stack.client(joined), picture)


def test_the_cache_is_restarted(load: Load) -> None:
    (before,) = stack.containers(stack.CACHE)
    docker("kill", before)
    stack.wait_until(lambda: set(stack.containers(stack.CACHE)) - {before} != set(), "the cache")
    stack.wait_until(shared, "a hit on the others")


def test_the_cache_freezes(load: Load) -> None:
    (before,) = stack.containers(stack.CACHE)
    frozen = stack.freeze(before)
    try:
        more(load, 30)
    finally:
        for pid in frozen:
            with suppress(ProcessLookupError):  # the swarm may have replaced it by now
                os.kill(pid, signal.SIGCONT)
    stack.wait_until(shared, "a hit on the others")


def test_one_freezes(load: Load) -> None:
    frozen = stack.containers()[0]
    stack.freeze(frozen)
    took_s = stack.wait_until(lambda: frozen not in stack.containers(), "it is found unhealthy")
    measured.append(f"frozen to out of service: {took_s:.0f} s")
    took_s = stack.wait_until(lambda: stack.whole(without=frozen), "another in its place")
    measured.append(f"from there to three healthy replicas: {took_s:.0f} s")


def test_one_is_stopped(load: Load) -> None:
    stopped = stack.containers()[0]
    docker("stop", "--time", "100", stopped)
    stack.wait_until(lambda: stack.whole(without=stopped), "another in its place")


def test_the_image_is_updated(load: Load, tmp_path: Path) -> None:
    new = stack.variant(tmp_path, "clip-api:test-new", "LABEL new=yes")
    stack.deploy(new, allow=IMAGES)
    took_s = stack.wait_until(lambda: stack.update_state() == "completed", "the update")
    measured.append(f"update of three replicas, one after the other: {took_s:.0f} s")
    assert stack.images() == {new}
    stack.wait_until(stack.whole, "no old one left")


def test_an_update_with_a_broken_image_rolls_back(load: Load, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text("raise SystemExit('broken')\n")
    good = stack.images()
    broken = stack.variant(tmp_path, "clip-api:test-broken", "COPY service.py ./")
    stack.deploy(broken, allow=IMAGES)
    took_s = stack.wait_until(lambda: stack.update_state() == "rollback_completed", "rollback")
    measured.append(f"update with a broken image to rolled back: {took_s:.0f} s")
    stack.wait_until(stack.whole, "three replicas")
    assert stack.images() == good
    assert len(good) == 1


def test_no_request_was_lost(load: Load) -> None:
    stack.wait_until(lambda: time.monotonic() - load.start > SWARM_S, "the end of the load")
    load.stop()
    measured.append(f"load of {time.monotonic() - load.start:.0f} s: {load.summary()}")
    assert not load.lost, load.lost
    assert load.answered


def test_rates_are_measured(load: Load, caddy: httpx.Client) -> None:
    load.stop()
    for replicas in range(stack.REPLICAS, 0, -1):
        docker("service", "scale", "--detach", f"{stack.SERVICE}={replicas}")
        stack.wait_until(lambda: stack.whole(replicas), f"{replicas} replicas")  # noqa: B023
        with Load(
            caddy, request, check=check, clients=8, every_s=0, first=next(MARKS) << 20
        ) as busy:
            more(busy, RATED_BY)
            rate = len(busy.answered) / (time.monotonic() - busy.start)
        measured.append(f"{replicas} replicas: {rate:.1f} requests a second, {busy.summary()}")
        assert not busy.lost, busy.lost


def test_the_embedder_runs_apart(swarm: None) -> None:
    docker("service", "scale", "--detach", f"{stack.SERVICE}=0")  # the processors are few
    stack.deploy(stack.IMAGE, "stack.embedder.yml", allow=IMAGES, stack="apart", replicas=1)
    for service in ("apart_embedder", "apart_clip-api"):
        stack.wait_until(lambda: stack.containers(service) != [], service)  # noqa: B023
    (api,), (embedder,) = map(stack.containers, ("apart_clip-api", "apart_embedder"))
    assert "ClipEmbedder" in docker("top", embedder, "-eo", "pid,args")
    assert "ClipEmbedder" not in docker("top", api, "-eo", "pid,args")
    client = stack.client(api)
    stack.wait_until(lambda: client.get("/healthz").text == "ok", "the API has found it")
    assert client.post("/rank", json=body("example:cat")).json()["meta"]["succeeded"] == 1
    docker("kill", embedder)  # the next one may be there before anybody has asked
    stack.wait_until(lambda: stack.containers("apart_embedder") not in ([], [embedder]), "another")
    stack.wait_until(lambda: client.get("/healthz").text == "ok", "the API has found that one")
    docker("service", "scale", "--detach", "apart_embedder=0")
    stack.wait_until(lambda: client.get("/healthz").status_code == 503, "503 without an embedder")
    known = stack.checks(api)
    # The first of two may have begun while there was one.
    stack.wait_until(lambda: len(stack.checks(api).keys() - known.keys()) > 1, "checks of the API")
    last = [*stack.checks(api).values()][-1]
    assert last["ExitCode"] == 0, last  # or it would be ended, and the next had no embedder either
    docker("service", "scale", "--detach", "apart_embedder=1")
    stack.wait_until(lambda: client.get("/healthz").text == "ok", "a third embedder")
    new = client.post("/rank", json=body("example:coffee")).json()["meta"]
    assert (new["succeeded"], new["cached"]) == (1, 0)
    assert stack.containers("apart_clip-api") == [api]
