"""``prefetch`` and ``health``: a running service, without a photo."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from clip_ranker.cli import service
from clip_ranker.cli.inputs import UsageError, between, read_listings
from clip_ranker.cli.show import plain
from clip_ranker.rank.prefetch import PrefetchResponse

URL = "http://localhost:8000"
DONE = 0
PREFETCH = """\
Has a service embed the thumbnails of listings, so that the next rank of them is quick.

LISTINGS  a file as for rank: `rank --help` tells more
"""


def add_to(commands: Any) -> None:
    """Adds both."""
    prefetch = commands.add_parser(
        "prefetch",
        help="have a service embed thumbnails ahead",
        description=PREFETCH,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    prefetch.set_defaults(run=run_prefetch)
    prefetch.add_argument("listings", metavar="LISTINGS", type=Path)
    prefetch.add_argument(
        "--image-resize",
        type=partial(between, 224, 2048),
        default=768,
        metavar="PX",
        help="the one that rank will be asked with (default: 768)",
    )
    prefetch.add_argument("--model", help="likewise (default: the service's)")
    health = commands.add_parser(
        "health",
        help="ask whether a service can embed",
        description="Asks whether a service can embed; exit code 0 where it can, else 1.",
    )
    health.set_defaults(run=run_health)
    for command in (prefetch, health):
        command.add_argument("--url", default=URL, help=f"of the service (default: {URL})")
        command.add_argument("--json", action="store_true", help="print JSON")


def run_prefetch(options: argparse.Namespace, people: Console) -> int:
    """Prefetches; returns the exit code."""
    if options.listings.is_dir():
        raise UsageError("no service can open a folder of this machine: give a file of listings")
    listings = read_listings(options.listings)
    total = PrefetchResponse(accepted=0, known=0, refused=0)
    parts = range(0, len(listings), service.MOST_AT_ONCE)
    for start in track(
        parts, "prefetching", console=people, transient=True, disable=not people.is_terminal
    ):
        part = listings[start : start + service.MOST_AT_ONCE]
        said = service.prefetch(part, options.image_resize, options.model, url=options.url)
        total = PrefetchResponse(
            **{name: getattr(total, name) + count for name, count in said.model_dump().items()}
        )
    if options.json:
        sys.stdout.write(total.model_dump_json() + "\n")
    else:
        told = f"{total.accepted} accepted, {total.known} known already, {total.refused} refused"
        sys.stdout.write(f"{told}\n")
    return DONE


def run_health(options: argparse.Namespace, people: Console) -> int:
    """Asks; returns the exit code, and raises where the service cannot embed."""
    version = service.health(url=options.url)
    if options.json:
        sys.stdout.write(json.dumps({"ok": True, "version": version}) + "\n")
    else:
        sys.stdout.write(plain(f"ok, version {version}") + "\n")
    return DONE
