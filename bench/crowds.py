"""Many clients at once: what they get together, and what one gets beside them."""

import itertools
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench.session import CANDIDATES, Bench, Figures
from bench.settings import BATCH

CROWD = 16
DEADLINE_MS = 2000


def clients(bench: Bench) -> Figures:
    """1, 4 and 16 clients at once: pictures a second ÷ those of the bare session around it."""
    figures: Figures = {}
    bench.bare().seconds(BATCH)
    for count in (1, 4, CROWD):
        pictures = count * (bench.fifty + 1)
        asked = min(pictures, 2 * (CANDIDATES + 1))
        bare, rates = [bench.bare().seconds(asked)], []
        for _ in range(bench.few):
            with ThreadPoolExecutor(count) as threads:
                ask = [lambda: bench.rank(bench.ours(), bench.urls(bench.fifty))] * count
                rates.append(pictures / max(together(threads, ask)))
            bare.append(bench.bare().seconds(asked))
        turns = zip(rates, itertools.pairwise(bare), strict=True)
        ratios = [rate * statistics.mean(around) / asked for rate, around in turns]
        figures[str(count)] = {
            "per_s": statistics.median(rates),
            "ratio": statistics.median(ratios),
            "ratios": ratios,
        }
    return figures


def lone(bench: Bench) -> Figures:
    """One candidate while 16 clients send fifty each ÷ one batch of 16 in the bare session.

    In turns a thumbnail that nobody else wants, and one that a client of the crowd waits for too.
    """
    bench.bare().seconds(BATCH)
    batches: list[float] = []
    waits: dict[str, list[list[float]]] = {"new": [], "shared": []}
    for _ in range(bench.few):
        batches.append(statistics.median(bench.bare().seconds(BATCH) for _ in range(3)))
        for kind, seconds in _beside_a_crowd(bench).items():
            waits[kind].append(seconds)
    figures: Figures = {"batch_s": statistics.median(batches)}
    for kind, rounds in waits.items():
        turns = list(zip(rounds, batches, strict=True))
        ratios = [statistics.median(seconds) / batch for seconds, batch in turns]
        figures[kind] = {
            "ratio": statistics.median(ratios),
            "ratios": ratios,
            "worst": max(max(seconds) / batch for seconds, batch in turns),
            "requests": sum(map(len, rounds)),
        }
    return figures


def leftovers(bench: Bench) -> Figures:
    """Fifty new listings, beside what two requests left at their deadlines, against alone.

    Their thumbnails are a little late: at the deadline all are on their way and few are ranked.
    """
    late = {"deadline_ms": DEADLINE_MS, "max_concurrency": CANDIDATES}

    def beside() -> float:
        lists = [bench.urls(bench.fifty, delay_ms=DEADLINE_MS * 3 // 4) for _ in range(2)]
        with ThreadPoolExecutor(len(lists)) as threads:
            answers = threads.map(
                lambda urls: bench.ours().rank(bench.query(), urls, **late)[1], lists
            )
            left.append(sum(len(answer["failed"]) for answer in answers))
        return _fifty(bench)

    def alone() -> float:
        bench.ours().rest()
        return _fifty(bench)

    left: list[int] = []
    figures = bench.pairs(beside, alone)
    return figures | {"left": min(left)}


def _fifty(bench: Bench) -> float:
    return bench.rank(bench.ours(), bench.urls(bench.fifty))


def _beside_a_crowd(bench: Bench) -> dict[str, list[float]]:
    """Seconds of lone requests by their kind, until the first of the crowd has its answer."""
    lists = [bench.urls(bench.fifty) for _ in range(CROWD)]
    # From the ends of the lists: those are waited for the longest.
    wanted = itertools.chain.from_iterable(map(reversed, lists))
    asked: list[tuple[str, float]] = []
    with ThreadPoolExecutor(CROWD) as threads:
        crowd = [threads.submit(bench.rank, bench.ours(), urls) for urls in lists]
        for kind in itertools.cycle(("new", "shared")):
            urls = bench.urls(1) if kind == "new" else [next(wanted)]
            asked.append((kind, bench.rank(bench.ours(), urls)))
            if len(asked) > 2 and any(request.done() for request in crowd):
                break
        for request in crowd:
            request.result()
    asked.pop()  # the crowd went away during the last
    return {kind: [s for k, s in asked if k == kind] for kind in ("new", "shared")}


def together(threads: ThreadPoolExecutor, calls: list[Callable[[], float]]) -> list[float]:
    """All at once; their seconds."""
    return [done.result() for done in [threads.submit(call) for call in calls]]
