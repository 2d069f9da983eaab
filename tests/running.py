"""A real ``bentoml serve`` process, and how tests talk to it."""

import base64
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

ROOT = Path(__file__).parent.parent
HANGS_S = 120
"""What takes longer than this will never come; a limit on waiting, no measure of speed."""


class Service:
    """The service in processes of its own.

    Args:
        settings: environment variables on top of this process's.
        port: to listen on; 0 is any that is free.
    """

    command = (sys.executable, "-m", "bentoml", "serve")

    def __init__(self, settings: dict[str, str], port: int = 0) -> None:
        self._settings = settings
        self._port = port or free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.client = httpx.Client(base_url=self.url, timeout=HANGS_S, trust_env=False)
        self._log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
        self._home = tempfile.TemporaryDirectory(prefix="bentoml-home-")

    def __enter__(self) -> Self:
        # BentoML clears the metrics of whatever else runs on the same home when it starts.
        models = Path(os.environ["BENTOML_HOME"]) / "models"
        (Path(self._home.name) / "models").symlink_to(models)
        self.process = subprocess.Popen(
            [*self.command, "--port", str(self._port)],
            cwd=ROOT,
            env=os.environ | {"BENTOML_HOME": self._home.name} | self._settings,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.wait_until_ok()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(HANGS_S)
        except subprocess.TimeoutExpired:
            for process in [*self.processes(), self.process]:
                process.kill()
            raise
        finally:
            self._log.close()
            self._home.cleanup()

    def wait_until_ok(self) -> None:
        """Returns once /healthz says ok.

        Raises:
            AssertionError: it never did, or the process ended; with the log.
        """
        wait_until(self._ok, self.log)

    def _ok(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.client.get("/healthz").text == "ok"
        except httpx.TransportError:
            return False

    def wait_until_idle(self) -> None:
        """Returns once no picture is being downloaded or embedded."""
        wait_until(lambda: sum(self.in_flight().values()) == 0, self.in_flight)

    def in_flight(self) -> dict[str, float]:
        """Its gauges of what is under way."""
        gauges = re.findall(
            r"^(clip_ranker_\w+_in_flight)\S* (\S+)$", self.client.get("/metrics").text, re.M
        )
        assert gauges
        return {name: float(value) for name, value in gauges}

    def log(self) -> str:
        """What the service wrote so far."""
        return Path(self._log.name).read_text()

    def processes(self) -> list[psutil.Process]:
        """All its processes but the supervisor."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def rank(self, **body: Any) -> httpx.Response:
        """POST /rank; ``query`` may be bytes, ``candidates`` may be URLs, named by position."""
        if isinstance(query := body.pop("query", None), bytes):
            body["query_image_base64"] = base64.b64encode(query).decode()
        body["candidates"] = [
            {"auction_id": str(index), "image_url": candidate}
            if isinstance(candidate, str)
            else candidate
            for index, candidate in enumerate(body.get("candidates", []))
        ]
        return self.client.post("/rank", json=body)

    def ranked(self, **body: Any) -> dict[str, Any]:
        """The answer of a /rank that must succeed."""
        response = self.rank(**body)
        assert response.status_code == httpx.codes.OK, response.text + self.log()[-3000:]
        answer: dict[str, Any] = response.json()
        assert answer["meta"]["succeeded"] + answer["meta"]["failed"] == len(body["candidates"])
        return answer


def wait_until(holds: Callable[[], bool], saw: Callable[[], object] = str) -> None:
    """Returns once that holds.

    Raises:
        AssertionError: it never did; with what ``saw`` tells.
    """
    end = time.monotonic() + HANGS_S
    while not holds():
        assert time.monotonic() < end, f"waited in vain {saw()}"
        time.sleep(0.02)


def pss_bytes(processes: Iterable[psutil.Process]) -> int:
    """Memory of all of them, pages that they share counted once; one that ends takes none."""
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total


def free_port() -> int:
    """A port on which nobody listens now.

    Below those that the kernel gives to outgoing connections, one of which could take it before
    the service does.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port
