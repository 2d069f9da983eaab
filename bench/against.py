"""Two checkouts in one run: what a change did to speed and memory, as after ÷ before.

Both run in this environment with the same settings, each with the model that its own import makes.
While one is measured the other is idle, or not running.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx

from bench import processes
from bench.crowds import CROWD, DEADLINE_MS, together
from bench.measured import Service
from bench.session import Bench, Figures
from bench.settings import Tree
from bench.targets import spread

LIMIT_S = 600
"""No round of a measure begins later than this after its first."""
ASKED_KNOWN = 5
"""Requests with known listings in a round: they are short."""
SIDES = ("after", "before")
UNKNOWN = "–"  # noqa: RUF001
ROWS = {
    "fifty": ("fifty new listings", "s"),
    "known": ("fifty known, a new photo", "s"),
    "clients": ("16 clients, fifty new listings of their own each", "s"),
    "shared": ("16 clients, the same fifty new listings", "s"),
    "batch": ("the same: pictures in a call of the model", ""),
    "first_score": ("first score of a stream", "s"),
    "in_time": ("fifty new listings, ranked within 2 s", ""),
    "idle": ("memory (PSS), idle", "MB"),
    "loaded": ("memory (PSS), after 16 clients", "MB"),
    "start": ("start to first `ok`", "s"),
}
"""Figure, what it is in the table, unit."""
Values = dict[str, float]


def compare(bench: Bench, after: Tree, before: Tree, only: list[str]) -> Figures:
    """Measures in turns; each figure is a list of values of either side, one a round."""
    trees = dict(zip(SIDES, (after, before), strict=True))
    for tree in trees.values():  # fills the file cache
        processes.ours(bench.port, tree).close()
    figures: Figures = {}
    if "alone" in only:
        figures |= _turns(bench.few, lambda side: _alone(bench, trees[side]))
    with ExitStack() as stack:
        services = {
            side: stack.enter_context(closing(processes.ours(bench.port, tree)))
            for side, tree in trees.items()
        }
        for service in services.values():
            bench.rank(service, bench.urls(bench.fifty))
        for name in only:
            if measure := TOGETHER.get(name):
                figures |= _turns(bench.rounds, lambda side: measure(bench, services[side]))
    return figures


def _turns(rounds: int, measure: Callable[[str], Values]) -> Figures:
    """One side, then the other, then the other first: what drifts meets both alike."""
    figures: Figures = {}
    end = time.monotonic() + LIMIT_S
    for round_ in range(rounds):
        if round_ and time.monotonic() > end:
            break
        for side in SIDES[:: -1 if round_ % 2 else 1]:
            for name, value in measure(side).items():
                figures.setdefault(name, {one: [] for one in SIDES})[side].append(value)
    return figures


def _alone(bench: Bench, tree: Tree) -> Values:
    """A service started for this: its start, its memory, and 16 clients at once."""
    with closing(processes.ours(bench.port, tree)) as service:
        idle = service.pss_bytes() / 1e6
        seconds = _crowd(bench, service, [bench.urls(bench.fifty) for _ in range(CROWD)])
        loaded = service.pss_bytes() / 1e6
    return {"start": service.start_s, "idle": idle, "clients": seconds, "loaded": loaded}


def _fifty(bench: Bench, service: Service) -> Values:
    urls = bench.urls(bench.fifty)
    new = bench.rank(service, urls)
    return {
        "fifty": new,
        "known": statistics.median(bench.rank(service, urls) for _ in range(ASKED_KNOWN)),
    }


def shared(bench: Bench, service: Service) -> Values:
    """16 clients with a photo each and the same new listings, and how full calls are then."""
    known = service.batches()
    seconds = _crowd(bench, service, [bench.urls(bench.fifty)] * CROWD)
    if known is None:
        return {"shared": seconds}
    pictures, calls = (a - b for a, b in zip(service.batches() or known, known, strict=True))
    return {"shared": seconds, "batch": pictures / calls}


def _first_score(bench: Bench, service: Service) -> Values:
    urls = bench.urls(bench.fifty)
    return {"first_score": service.first_score_s(bench.query(), urls)}


def _in_time(bench: Bench, service: Service) -> Values:
    ranked = 0  # where not even the photo is embedded by then, which is an error
    with suppress(httpx.HTTPStatusError):
        _, answer = service.rank(bench.query(), bench.urls(bench.fifty), deadline_ms=DEADLINE_MS)
        ranked = len(answer["results"])
    service.rest()
    return {"in_time": ranked}


def _crowd(bench: Bench, service: Service, lists: list[list[str]]) -> float:
    """Seconds until the last of them has its answer; each has a photo of its own."""
    with ThreadPoolExecutor(len(lists)) as threads:
        return max(together(threads, [lambda u=urls: bench.rank(service, u) for urls in lists]))


TOGETHER = {"fifty": _fifty, "shared": shared, "first_score": _first_score, "in_time": _in_time}
"""Measured while the other side runs too, and idles."""
MEASURES = ("alone", *TOGETHER)


def table(figures: Figures) -> str:
    """The figures for people: medians, and the ratio's smallest and largest of all rounds."""
    lines = ["| | after | before | after ÷ before |", "|---|---|---|---|"]
    return "\n".join([*lines, *_rows(figures)])


def _rows(figures: Figures) -> Iterator[str]:
    for name, (what, unit) in ROWS.items():
        if name in figures:
            cells = [_median(figures[name][side], unit) for side in SIDES]
            yield f"| {what} | {' | '.join(cells)} | {_ratio(*map(figures[name].get, SIDES))} |"


def _median(values: list[float], unit: str) -> str:
    """Three digits, or a dash where a side does not tell."""
    return f"{statistics.median(values):.3g} {unit}".strip() if values else UNKNOWN


def _ratio(after: list[float], before: list[float]) -> str:
    """Round by round; nothing where a side does not tell, or there is nothing to compare with."""
    if not after or not before or not all(before):
        return UNKNOWN
    ratios = [a / b for a, b in zip(after, before, strict=True)]
    return f"{statistics.median(ratios):.2f} ({spread(ratios)}; n = {len(ratios)})"


def save(figures: Figures, machine: str, path: Path) -> None:
    """All values, and where they were measured, as JSON."""
    path.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1) + "\n")
