"""A service that is measured: starting, asking, weighing and ending it."""

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from bench.settings import CONCURRENCY, OURS, Tree
from tests.running import free_port, pss_bytes

START_S = 120
POLL_S = 0.02


class Endpoint:
    """A service as its clients see it, wherever on this machine it runs.

    Args:
        port: that it listens on, or will.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=600, trust_env=False)

    def starts(self, alive: Callable[[], bool]) -> bool:
        """Waits until it is well; false where it ends before, or takes too long."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and alive():
            with contextlib.suppress(httpx.TransportError):
                if self.client.get("/healthz", timeout=5).status_code == httpx.codes.OK:
                    return True
            time.sleep(POLL_S)
        return False

    def first_score_s(self, query: str, urls: list[str]) -> float:
        """Seconds until the first score of a stream, which is then read to its end."""
        start = time.perf_counter()
        with self.client.stream("POST", "/rank/stream", json=_body(query, urls)) as response:
            lines = response.iter_lines()
            first = next(lines)
            seconds = time.perf_counter() - start
            assert '"answer"' in [*lines][-1]
        assert '"scored"' in first, first
        return seconds

    def rank(self, query: str, urls: list[str], **options: int) -> tuple[float, dict]:
        """Seconds until the answer, and the answer; ``query`` is base64."""
        body = _body(query, urls) | options
        start = time.perf_counter()
        response = self.client.post("/rank", json=body)
        seconds = time.perf_counter() - start
        response.raise_for_status()
        return seconds, response.json()

    def prefetch(self, urls: list[str]) -> None:
        """Asks for the pictures ahead; returns when all of them are embedded."""
        self.client.post("/prefetch", json=_body("", urls)).raise_for_status()
        self._until_none("prefetch_waiting")

    def rest(self) -> None:
        """Returns when nothing is on its way that nobody waits for any more."""
        self._until_none("downloads_in_flight", "embeds_in_flight")

    def _until_none(self, *gauges: str) -> None:
        zeros = {f"clip_ranker_{gauge} 0.0" for gauge in gauges}
        while not zeros <= set(self.client.get("/metrics").text.splitlines()):
            time.sleep(POLL_S)

    def batches(self) -> tuple[float, float] | None:
        """Pictures sent to the model so far, and in how many calls; if the service counts them."""
        text = self.client.get("/metrics").text
        found = [
            re.findall(rf"^clip_ranker_batch_pictures_{what}(?:{{.*}})? (\S+)$", text, re.M)
            for what in ("sum", "count")
        ]
        pictures, calls = (sum(map(float, values)) for values in found)
        return (pictures, calls) if all(found) else None


class Service(Endpoint):
    """An HTTP service in processes of its own.

    Args:
        command: what to run; ``{port}`` in it becomes a free port.
        tree: whose code runs.
        settings: environment variables on top.
    """

    def __init__(self, *command: str, tree: Tree = OURS, **settings: str) -> None:
        port = free_port()
        super().__init__(port)
        # BentoML clears the metrics of whatever else runs on the same home when it starts.
        self._home = tempfile.TemporaryDirectory(prefix="bench-")
        home = Path(self._home.name)
        (home / "models").symlink_to(tree.store / "models")
        self._log = home / "service.log"
        start = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *(part.format(port=port) for part in command)],
                cwd=tree.root,
                env=tree.environment(home) | settings,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if not self.starts(lambda: self._process.poll() is None):
            told = self._log.read_text()
            self.close()
            raise RuntimeError(f"{self._process.args} did not start\n{told}")
        self.start_s = time.perf_counter() - start

    def pss_bytes(self) -> int:
        """Memory of all its processes, pages shared between them counted once."""
        return pss_bytes(family(psutil.Process(self._process.pid)))

    def close(self) -> None:
        """Ends it."""
        self.client.close()
        if self._process.poll() is None:
            processes = family(psutil.Process(self._process.pid))
            self._process.send_signal(signal.SIGTERM)
            _, left = psutil.wait_procs(processes, 20)
            for process in left:
                process.kill()
        self._process.wait()
        self._home.cleanup()


def family(process: psutil.Process) -> list[psutil.Process]:
    """It, and all below it."""
    return [process, *process.children(recursive=True)]


def _body(query: str, urls: list[str]) -> dict:
    candidates = [{"auction_id": str(i), "image_url": url} for i, url in enumerate(urls)]
    return {
        "query_image_base64": query,
        "candidates": candidates,
        "max_concurrency": CONCURRENCY,
        "top_k": max(1, len(urls)),
    }
