"""The processes that are compared."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.image_server import HOSTS
from bench.measured import Service
from bench.settings import OURS, ROOT, Tree


def ours(port: int, tree: Tree = OURS, **settings: str) -> Service:
    """The service of this repository, or of another checkout, with all the time it wants.

    Sixteen clients with fifty pictures each come close to the default limit of a request.
    """
    hosts = ",".join(f"{host}:{port}" for host in HOSTS)
    return Service(
        "bentoml",
        "serve",
        "--port",
        "{port}",
        tree=tree,
        **{
            "CLIP_MODEL": tree.model,
            "CLIP_ALLOW_PRIVATE_HOSTS": hosts,
            "CLIP_REQUEST_TIMEOUT_S": "600",
            **settings,
        },
    )


def straightforward() -> Service:
    """``bench/straightforward.py``."""
    return Service("bench.straightforward", "{port}")


def empty_app() -> Service:
    """``bench/empty_app.py``."""
    return Service("bentoml", "serve", "bench.empty_app:Outer", "--port", "{port}")


class Session:
    """``bench/bare.py`` or ``bench/stored.py``: an ONNX session alone in a process.

    Args:
        command: module and arguments.
    """

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=OURS.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._ask() == "ready"

    def _ask(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{self._process.args} ended")
        return line

    def seconds(self, pictures: int) -> float:
        """To embed that many."""
        assert self._process.stdin
        self._process.stdin.write(f"{pictures}\n")
        self._process.stdin.flush()
        return float(self._ask())

    def pss_bytes(self) -> int:
        """Memory of the process."""
        return int(psutil.Process(self._process.pid).memory_full_info().pss)

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(20)


@contextlib.contextmanager
def image_server(folder: Path) -> Iterator[int]:
    """``bench/image_server.py`` for as long as the block runs; its port."""
    command = [sys.executable, "-m", "bench.image_server", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()
