"""SIGTERM in the middle of everything, again and again: what was asked before it is answered."""

import math
import random
import signal
import sys
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from tests.faults.load import LASTS_S, Load, Tally, assert_quiet
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import HANGS_S, Service, wait_until


class InContainer(Service):
    """Started as the image starts it."""

    command = (sys.executable, "-m", "clip_ranker.entrypoint", "serve")


def test_a_stop_in_the_middle_of_everything_breaks_no_answer(
    start: Callable[..., Service], images: ImageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, end = random.Random(13), time.monotonic() + LASTS_S
    total, rounds = Tally(), 0
    while time.monotonic() < end or not rounds:
        service = start(InContainer, BENTOML_CONTAINERIZED="true", CLIP_DRAIN_LIMIT_S="1000")
        stop_in_the_middle(service, images, chance.random() * 3, total)
        rounds += 1
    with capsys.disabled():
        print(f"\n{total}\n{rounds} times stopped")
    assert total.surprises == []


def stop_in_the_middle(service: Service, images: ImageServer, after_s: float, total: Tally) -> None:
    """Ends the service under load; whatever was asked before has to be answered whole."""
    stopped_s, asked = math.inf, images.hits["/held/cat"]
    with images.holding(), Load(service, images, cut_off=lambda at_s: at_s > stopped_s) as load:
        held = threading.Thread(target=hold, args=(service, images, load))
        held.start()
        wait_until(lambda: images.hits["/held/cat"] > asked, service.log)
        time.sleep(after_s)
        family = [*service.processes(), psutil.Process(service.process.pid)]
        stopped_s = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        # While one request is held, what was on its way at the signal is taken in.
        wait_until(lambda: load.tally.statuses["503"] > 0, service.log)
        images.release.set()
        assert service.process.wait(HANGS_S) == 0
    held.join()
    wait_until(lambda: not any(map(alive, family)), lambda: family)
    assert_quiet(service.log())
    total.statuses += load.tally.statuses
    total.reasons += load.tally.reasons
    total.surprises += load.tally.surprises


def hold(service: Service, images: ImageServer, load: Load) -> None:
    """A request that is under way while the service is told to stop, and has to be answered."""
    answer = service.ranked(query=PHOTOS["cat"], candidates=[images.url("/held/cat")])
    if answer["failed"]:
        load.tally.surprises.append(f"{answer['failed']}")


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
