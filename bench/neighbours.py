"""A neighbour of the service's container: how soon Caddy answers while all processors rank.

``python -m bench.neighbours PORT`` is who asks, in a process of its own. It runs beside the
containers, not in one, so its own wait for a processor is in its figures.
"""

import http.client
import json
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.container import Container, build, logs, run
from bench.crowds import CROWD
from bench.session import FEW, Bench
from bench.settings import MODEL, ROOT
from tests.running import free_port

WEIGHTS = (512, 1024)
"""``cpu_shares`` of the service's container, as in compose and as a Caddy has that says nothing."""
ASKED = 100
EVERY_S = 0.1
STARTS_S = 60
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE  # that Caddy signs for itself
CADDYFILE = """{{
    admin off
    skip_install_trust
    auto_https disable_redirects
}}
https://localhost:{port} {{
    tls internal
    respond ok
}}
"""


class Waits(NamedTuple):
    """Of requests to Caddy, each with a connection and a TLS handshake of its own."""

    median_ms: float
    p99_ms: float
    worst_ms: float

    @classmethod
    def of(cls, waits_ms: list[float]) -> "Waits":
        """Sums them up."""
        percentiles = statistics.quantiles(waits_ms, n=100)
        return cls(percentiles[49], percentiles[98], max(waits_ms))


def answers(bench: Bench) -> dict[int | None, Waits]:
    """By the service's weight, beside sixteen clients with new lists of fifty; None: it is idle."""
    image = build(MODEL)
    waits: dict[int | None, list[float]] = {}
    settings = {
        "CLIP_ALLOW_PRIVATE_HOSTS": f"127.0.0.1:{bench.port}",
        "CLIP_REQUEST_TIMEOUT_S": "600",
    }
    with _caddy(image) as port, closing(Container(image, **settings)) as service:
        bench.rank(service, bench.urls(bench.fifty))
        waits[None] = _ask(port)
        with _crowd(bench, service):
            for weight in WEIGHTS * FEW:
                service.weigh(weight)
                waits[weight] = [*waits.get(weight, []), *_ask(port)]
    return {weight: Waits.of(every) for weight, every in waits.items()}


def caddy() -> str:
    """Where it is; ends all where it is missing."""
    return shutil.which("caddy") or sys.exit("this needs Caddy: deploy/need caddy caddy")


@contextmanager
def _caddy(image: str) -> Iterator[int]:
    """A Caddy in a container of its own, on the host's network; its port."""
    port = free_port()
    with ExitStack() as undone:
        folder = Path(undone.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o755)
        (folder / "Caddyfile").write_text(CADDYFILE.format(port=port))
        name = run(
            *("docker", "run", "--detach", "--network=host", "--user=root", "--env=HOME=/tmp"),
            *(f"--volume={caddy()}:/usr/bin/caddy:ro", f"--volume={folder}:/etc/caddy:ro"),
            *("--entrypoint=caddy", image, "run", "--config", "/etc/caddy/Caddyfile"),
        )
        undone.callback(run, "docker", "rm", "--force", "--volumes", name)
        end = time.monotonic() + STARTS_S
        while not _answers(port):  # it makes its certificate first
            if time.monotonic() > end:
                sys.exit(f"Caddy did not start\n{logs(name)}")
            time.sleep(EVERY_S)
        yield port


@contextmanager
def _crowd(bench: Bench, service: Container) -> Iterator[None]:
    """Sixteen clients that rank one new list after the other while the block runs."""
    over = threading.Event()

    def client() -> None:
        while not over.is_set():
            bench.rank(service, bench.urls(bench.fifty))

    with ThreadPoolExecutor(CROWD) as threads:
        clients = [threads.submit(client) for _ in range(CROWD)]
        try:
            yield
        finally:
            over.set()
            for one in clients:
                one.result()


def _ask(port: int) -> list[float]:
    """Milliseconds of each answer, from another process."""
    command = [sys.executable, "-m", "bench.neighbours", str(port)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    waits: list[float] = json.loads(done.stdout)
    return waits


def _answers(port: int) -> bool:
    try:
        _ask_once(port)
    except OSError:
        return False
    return True


def _ask_once(port: int) -> None:
    connection = http.client.HTTPSConnection("localhost", port, context=TLS, timeout=STARTS_S)
    with closing(connection):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"ok"


def main(port: int) -> None:
    """Asks at fixed times, or as soon after as the answer before is there; counts from then."""
    waits, begun = [], time.monotonic()
    for number in range(ASKED):
        due = begun + number * EVERY_S
        time.sleep(max(0, due - time.monotonic()))
        _ask_once(port)
        waits.append(1000 * (time.monotonic() - due))
    json.dump(waits, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
