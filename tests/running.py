"""A real ``bentoml serve`` process, and how tests talk to it."""

import base64
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

ROOT = Path(__file__).parent.parent
START_S = 60
STOP_S = 20


class Service:
    """The service in processes of its own.

    Args:
        settings: environment variables on top of this process's.
    """

    command = (sys.executable, "-m", "bentoml", "serve")

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.client = httpx.Client(base_url=self.url, timeout=90, trust_env=False)
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
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            for process in [*self.processes(), self.process]:
                process.kill()
            raise
        finally:
            self._log.close()
            self._home.cleanup()

    def wait_until_ok(self, timeout_s: float = START_S) -> None:
        """Returns once /healthz says ok.

        Raises:
            AssertionError: it did not in time, or the process ended; with the log.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log()
            try:
                if self.client.get("/healthz").text == "ok":
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not ok after {timeout_s} s\n{self.log()}")

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


def free_port() -> int:
    """A port of loopback on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
