"""Stopping the service as the container does, with and without a request in flight."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

import httpx
import psutil
import pytest

from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import HANGS_S, ROOT, Service, wait_until

CAT = PHOTOS["cat"]
NEVER_S = str(10 * HANGS_S)


class InContainer(Service):
    """Started as the image starts it."""

    command = (sys.executable, "-m", "clip_ranker.entrypoint", "serve")


@pytest.fixture
def start(stored: Callable[[str], str], images: ImageServer) -> Iterator[Callable[..., Service]]:
    """Starts a service of the test's own."""
    started: list[Service] = []

    def begin(kind: type[Service] = InContainer, **settings: str) -> Service:
        settings |= {"CLIP_MODEL": stored("tiny"), "CLIP_ALLOW_PRIVATE_HOSTS": images.host}
        # As in the image, where BentoML by itself does not start a process again that died.
        settings |= {"BENTOML_CONTAINERIZED": "true", "CLIP_DOWNLOAD_TIMEOUT_S": "60"}
        # What holds up the stop shows as a hang, instead of ending by one of these.
        settings = {"CLIP_DRAIN_LIMIT_S": NEVER_S, "CLIP_UPLOAD_TIMEOUT_S": "600"} | settings
        started.append(kind(settings).__enter__())
        return started[-1]

    yield begin
    for service in started:
        service.__exit__()


@contextmanager
def in_flight(service: Service, images: ImageServer) -> Iterator[Future[httpx.Response]]:
    """A /rank that waits for a picture until ``images.release`` is set."""
    with ThreadPoolExecutor(1) as pool, images.holding():
        asked = images.hits["/held/cat"]
        answer = pool.submit(service.rank, query=CAT, candidates=[images.url("/held/cat")])
        wait_until(lambda: images.hits["/held/cat"] > asked, service.log)
        yield answer


def process(service: Service, name: str) -> psutil.Process:
    """The process that runs this BentoML service."""
    [found] = running(service, name)
    return found


def running(service: Service, name: str) -> list[psutil.Process]:
    found = []
    for candidate in service.processes():
        with suppress(psutil.NoSuchProcess):  # a zombie among them
            if name in candidate.cmdline():
                found.append(candidate)
    return found


def test_a_rank_in_flight_finishes_while_new_ones_are_refused(
    start: Callable[..., Service], images: ImageServer
) -> None:
    service = start()
    with in_flight(service, images) as answer:
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.client.get("/healthz").status_code == 503, service.log)
        refused = service.rank(query=CAT, candidates=["example:cat"])
        assert refused.status_code == 503
        assert refused.json() == {
            "error": "the service is stopping, try again in a few seconds",
            "detail": [],
        }
        assert int(refused.headers["Retry-After"]) > 0
        assert service.client.get("/metrics").status_code == 200
        assert not answer.done()
    assert answer.result().json()["meta"]["succeeded"] == 1
    assert service.process.wait(HANGS_S) == 0


def test_a_body_that_drips_in_does_not_hold_up_the_stop(
    start: Callable[..., Service], images: ImageServer
) -> None:
    service = start()
    with in_flight(service, images):
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.client.get("/healthz").status_code == 503, service.log)
        dripping = socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])))
        dripping.sendall(
            b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n{"
        )
        assert dripping.recv(100).startswith(b"HTTP/1.1 100 ")  # it is being read
    assert service.process.wait(HANGS_S) == 0
    dripping.close()


def test_sigusr1_alone_stops_a_service_without_the_entry_point(
    start: Callable[..., Service],
) -> None:
    service = start(Service)
    process(service, "ClipRanker").send_signal(signal.SIGUSR1)
    assert service.process.wait(HANGS_S) == 0


@pytest.mark.parametrize("limit_s", ["1", NEVER_S])
def test_what_does_not_finish_is_cut_off_at_the_limit_or_when_asked_twice(
    start: Callable[..., Service], images: ImageServer, limit_s: str
) -> None:
    service = start(CLIP_DRAIN_LIMIT_S=limit_s)
    embedder = process(service, "ClipEmbedder")
    with in_flight(service, images):
        service.process.send_signal(signal.SIGTERM)
        if limit_s == NEVER_S:
            wait_until(lambda: service.client.get("/healthz").status_code == 503, service.log)
            service.process.send_signal(signal.SIGTERM)
        embedder.wait(HANGS_S)
    assert service.process.wait(HANGS_S) == 0


@pytest.mark.parametrize("name", ["ClipRanker", "ClipEmbedder"])
def test_a_process_that_dies_is_started_again_and_still_drains(
    start: Callable[..., Service], images: ImageServer, name: str
) -> None:
    service = start()
    dead = process(service, name)
    dead.kill()
    wait_until(lambda: any(p != dead for p in running(service, name)))
    service.wait_until_ok()
    with in_flight(service, images) as answer:
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.client.get("/healthz").status_code == 503, service.log)
    assert answer.result().json()["meta"]["succeeded"] == 1
    assert service.process.wait(HANGS_S) == 0


def test_a_stop_right_after_the_api_died_does_not_wait_for_it(
    start: Callable[..., Service],
) -> None:
    service = start()
    api = process(service, "ClipRanker")
    api.kill()
    wait_until(lambda: not api.is_running() or api.status() == psutil.STATUS_ZOMBIE)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(HANGS_S) == 0


def test_without_its_supervisor_the_container_ends_so_that_docker_starts_it_again(
    start: Callable[..., Service],
) -> None:
    service = start()
    [supervisor] = psutil.Process(service.process.pid).children()
    orphans = supervisor.children(recursive=True)
    supervisor.kill()
    assert service.process.wait(HANGS_S) == 128 + signal.SIGKILL
    for orphan in orphans:  # in a container they end with process 1
        orphan.kill()


def test_a_stop_before_the_service_is_up_is_not_lost(stored: Callable[[str], str]) -> None:
    with subprocess.Popen(
        [*InContainer.command, "--port", "0"],
        cwd=ROOT,
        env=os.environ | {"CLIP_MODEL": stored("tiny")},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as starting:
        wait_until(lambda: bool(psutil.Process(starting.pid).children()))
        starting.send_signal(signal.SIGTERM)
        assert starting.wait(HANGS_S) in (0, 128 + signal.SIGTERM)


@pytest.mark.parametrize("limit_s", ["soon", "0", "-1", "nan"])
def test_a_wrong_limit_is_named(limit_s: str) -> None:
    result = subprocess.run(
        InContainer.command,
        cwd=ROOT,
        env=os.environ | {"CLIP_DRAIN_LIMIT_S": limit_s},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "CLIP_DRAIN_LIMIT_S" in result.stderr
    assert limit_s in result.stderr
