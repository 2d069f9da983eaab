"""``python -m bench.containers``: what a share of the processors, and a limit of memory, come to.

Needs a Docker engine on this machine, Linux and root, and builds an image for each precision of a
random ViT-B/32, 0.9 GB. Writes two tables: of fifty new listings in containers with a part of two
processors, and of the worst load that the limits for a machine's size allow, each in a container
with the limit of memory for it.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

import httpx

from bench import __main__ as prepared
from bench import processes
from bench.container import Container, build
from bench.session import FEW, Bench
from bench.settings import GRAPH, MODEL, WORK
from tests.faults.worst_load import worst_load
from tests.image_server import ImageServer

SHARES = (
    ((), 2.0),
    (("--cpus", "1.5"), 1.5),
    (("--cpus", "1"), 1.0),
    (("--cpuset-cpus", "0"), 1.0),
    (("--cpus", "0.5"), 0.5),
)
"""Options of the container, and how many of two processors they leave it."""
SMALL = {
    "CLIP_MAX_PIXELS": "16000000",
    "CLIP_MAX_BODIES_BYTES": "50000000",
    "CLIP_DECODE_THREADS": "2",
}


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
    Size("2 GB", "1500m", MODEL, SMALL),
    Size("4 GB", "2500m", MODEL, {}),
)


def shares(bench: Bench) -> Iterator[str]:
    """A table of containers with a part of the processors."""
    yield "| container | threads | fifty new listings | ÷ what the share says | slowest /healthz |"
    yield "|---|---|---|---|---|"
    image, whole_s = build(MODEL), 0.0
    for options, processors in SHARES:
        settings = {"CLIP_ALLOW_PRIVATE_HOSTS": f"127.0.0.1:{bench.port}"}
        with closing(Container(image, *options, CLIP_REQUEST_TIMEOUT_S="600", **settings)) as one:
            bench.rank(one, bench.urls(bench.fifty))
            with _asking_for_health(one.url) as waits:
                times = [bench.rank(one, bench.urls(bench.fifty)) for _ in range(FEW)]
            seconds = statistics.median(times)
            whole_s = whole_s or seconds
            said = whole_s * SHARES[0][1] / processors
            threads = one.python(
                "from clip_ranker import processors; print(processors.available())"
            )
            yield (
                f"| {' '.join(options) or 'two processors'} | {threads} | {seconds:.1f} s "
                f"| {seconds / said:.2f} | {max(waits) * 1000:.0f} ms |"
            )


@contextmanager
def _asking_for_health(url: str) -> Iterator[list[float]]:
    """Asks for it ten times a second while the block runs; how long each answer took."""
    waits: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            while not over.wait(0.1):
                start = time.perf_counter()
                assert client.get("/healthz").text == "ok"
                waits.append(time.perf_counter() - start)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()


def memory() -> Iterator[str]:
    """A table of containers with a limit of memory, under the worst load."""
    yield "| machine | limit | model | settings | idle | peak | killed | answers |"
    yield "|---|---|---|---|---|---|---|---|"
    for size in SIZES:
        limit = f"--memory={size.mem_limit}"
        with ImageServer() as images:
            settings = {"CLIP_ALLOW_PRIVATE_HOSTS": images.host, "CLIP_UPLOAD_TIMEOUT_S": "600"}
            options = (limit, f"--memory-swap={size.mem_limit}")
            with closing(Container(build(size.model), *options, **settings, **size.settings)) as it:
                seen = [it.pss_bytes()]

                def watch(it: Container = it, seen: list[int] = seen) -> None:
                    seen.append(it.pss_bytes())

                load = worst_load(it.url, images, size.settings, watch)
                told = ", ".join(f"{name}={value}" for name, value in size.settings.items())
                answers = ", ".join(
                    f"{count} of {status}" for status, count in sorted(load.items())
                )
                yield (
                    f"| {size.machine} | {size.mem_limit} | {size.model} | {told or 'defaults'} "
                    f"| {seen[0] / 1e6:.0f} MB | {max(seen) / 1e6:.0f} MB | {it.killed()} "
                    f"| {answers} |"
                )


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench.containers", description=__doc__)
    parser.add_argument("--only", choices=("shares", "memory"))
    options = parser.parse_args()
    prepared.prepare()
    with processes.image_server(WORK / "pictures") as port:
        bench = Bench(WORK / "pictures", GRAPH, port, rounds=FEW)
        tables = {"shares": lambda: shares(bench), "memory": memory}
        for name, table in tables.items():
            if options.only in (None, name):
                for line in table():
                    print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
