"""``python -m bench.containers``: what a share of the processors, and a limit of memory, come to.

Needs a Docker engine on this machine, Caddy, Linux and root; builds an image of 0.9 GB with a
random ViT-B/32, another with the same in 8 bits, and removes them. Writes tables: of fifty new
listings in containers with a part of two processors, of the worst load that the limits for a
machine's size allow, each in a container with the limit of memory for it, and of a Caddy's answers
while a service of less or equal weight ranks. Ends with 1 where a figure is not as it must be.
BUILD_OPTIONS is handed to ``bentoml containerize``.
"""

import argparse
import math
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

import httpx

from bench import neighbours, processes
from bench.container import Container, build, run
from bench.prepare import prepare
from bench.session import FEW, Bench
from bench.settings import GRAPH, MODEL, WORK
from tests.faults.worst_load import ANSWERS, SMALL_LIMITS, worst_load
from tests.image_server import ImageServer

SHARES = {
    "--cpuset-cpus=0,1": 2.0,
    "--cpus=1.5": 1.5,
    "--cpus=1": 1.0,
    "--cpuset-cpus=0": 1.0,
    "--cpus=0.5": 0.5,
}
"""Option of the container, and how many processors it leaves; the first has two."""
MOST_OFF = 0.15
"""How far from what the share says."""
HEALTH_S = 0.5
CADDY_MS = 100
"""One of its answers in a hundred may take longer beside a service of the weight in compose."""


class Size(NamedTuple):
    """A machine, and the limits that fit it."""

    machine: str
    mem_limit: str
    model: str
    settings: dict[str, str]


SIZES = (
    Size(
        "1 GB",
        "750m",
        f"{MODEL}_int8",
        {
            "CLIP_MAX_PIXELS": "8000000",
            "CLIP_MAX_BODIES_BYTES": "25000000",
            "CLIP_MAX_DOWNLOADS": "16",
            "CLIP_MAX_DOWNLOAD_BYTES": "5000000",
            "CLIP_DECODE_THREADS": "1",
        },
    ),
    Size("2 GB", "1500m", MODEL, SMALL_LIMITS),
    Size("4 GB", "2500m", MODEL, {}),
)
Row = tuple[str, bool]
"""A line of a table, and whether its figures are as they must be."""


def shares(bench: Bench) -> Iterator[Row]:
    """Containers with a part of the processors."""
    yield (
        "| container | threads | fifty new listings | ÷ what the share says | slowest /healthz |",
        True,
    )
    yield "|---|---|---|---|---|", True
    image, of_one_s = build(MODEL), 0.0
    settings = {
        "CLIP_ALLOW_PRIVATE_HOSTS": f"127.0.0.1:{bench.port}",
        "CLIP_REQUEST_TIMEOUT_S": "600",
    }
    for option, processors in SHARES.items():
        with closing(Container(image, option, **settings)) as container:
            bench.rank(container, bench.urls(bench.fifty))
            with _asking_for_health(container.url) as waits:
                times = [bench.rank(container, bench.urls(bench.fifty)) for _ in range(FEW)]
            threads = container.python(
                "from clip_ranker import processors; print(processors.available())"
            )
        seconds = statistics.median(times)
        of_one_s = of_one_s or seconds * processors
        ratio = seconds * processors / of_one_s
        fine = abs(ratio - 1) <= MOST_OFF and max(waits) <= HEALTH_S
        yield (
            f"| `{option}` | {threads} | {seconds:.1f} s | {ratio:.2f} "
            f"| {max(waits) * 1000:.0f} ms |",
            fine,
        )


@contextmanager
def _asking_for_health(url: str) -> Iterator[list[float]]:
    """Asks for it ten times a second while the block runs; how long each ``ok`` took."""
    waits: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            while not over.wait(0.1):
                start = time.perf_counter()
                try:
                    well = client.get("/healthz").text == "ok"
                except httpx.TransportError:
                    well = False
                waits.append(time.perf_counter() - start if well else math.inf)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()


def memory(_: Bench) -> Iterator[Row]:
    """Containers with a limit of memory, under the worst load."""
    yield "| machine | `CLIP_MEM_LIMIT` | model | settings | idle | peak | killed | answers |", True
    yield "|---|---|---|---|---|---|---|---|", True
    for size in SIZES:
        image = build(size.model)
        limit = (f"--memory={size.mem_limit}", f"--memory-swap={size.mem_limit}")
        with ImageServer() as images:
            settings = {"CLIP_ALLOW_PRIVATE_HOSTS": images.host, "CLIP_UPLOAD_TIMEOUT_S": "600"}
            with closing(Container(image, *limit, **settings, **size.settings)) as container:
                yield _under_the_worst_load(size, container, images)


def _under_the_worst_load(size: Size, container: Container, images: ImageServer) -> Row:
    seen = [container.pss_bytes()]
    load = worst_load(
        container.url, images, size.settings, lambda: seen.append(container.pss_bytes())
    )
    killed = container.killed()
    told = " ".join(f"`{name}={value}`" for name, value in size.settings.items())
    answers = ", ".join(f"{count} of {status}" for status, count in sorted(load.items()))
    line = (
        f"| {size.machine} | {size.mem_limit} | {size.model} | {told or 'the defaults'} "
        f"| {seen[0] / 1e6:.0f} MB | {max(seen) / 1e6:.0f} MB | {'yes' if killed else 'no'} "
        f"| {answers} |"
    )
    return line, not killed and set(load) <= ANSWERS


def neighbour(bench: Bench) -> Iterator[Row]:
    """A Caddy beside the service, whose container has less weight or as much."""
    yield "| the service | median | 99th percentile | slowest |", True
    yield "|---|---|---|---|", True
    for weight, waits in neighbours.answers(bench).items():
        what = f"ranks, with `cpu_shares` {weight}" if weight else "is idle"
        told = " | ".join(f"{ms:.0f} ms" for ms in waits)
        fine = weight != neighbours.WEIGHTS[0] or waits.p99_ms <= CADDY_MS
        yield f"| {what} | {told} |", fine


TABLES = {"shares": shares, "memory": memory, "neighbour": neighbour}


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench.containers", description=__doc__)
    parser.add_argument("--only", choices=TABLES)
    options = parser.parse_args()
    tables = [options.only] if options.only else list(TABLES)
    if "neighbour" in tables:
        neighbours.caddy()
    prepare()
    fine = True
    try:
        with processes.image_server(WORK / "pictures") as port:
            bench = Bench(WORK / "pictures", GRAPH, port, rounds=FEW)
            for name in tables:
                for line, as_it_must_be in TABLES[name](bench):
                    print(line, flush=True)
                    fine &= as_it_must_be
    finally:
        for image in run("docker", "image", "ls", "--quiet", "clip-api:bench-*").split():
            run("docker", "image", "rm", "--force", image)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
