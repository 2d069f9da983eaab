"""What the cache saves: pictures known already, prefetched, or asked for by many."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from bench import processes
from bench.session import Bench, Figures

CLIENTS = 16
EACH = 12
"""Requests of each client."""


def cached(bench: Bench) -> Figures:
    """A new photo with 50 and 200 known candidates: time beyond a new photo with none."""
    figures: Figures = {}
    for count in (bench.fifty, bench.most):
        urls = bench.urls(count)
        bench.rank(bench.ours(), urls)
        alone, known = [], []
        for _ in range(2 * bench.rounds):
            alone.append(bench.rank(bench.ours(), []))
            known.append(bench.rank(bench.ours(), urls))
        beyond = statistics.median(known) - statistics.median(alone)
        figures[str(count)] = {
            "beyond_ms": beyond * 1000,
            "photo_ms": statistics.median(alone) * 1000,
        }
    return figures


def prefetched(bench: Bench) -> Figures:
    """The table of README: cold, warm, prefetched; a new photo each time."""
    cold, warm, ahead = [], [], []
    for _ in range(min(bench.rounds, 5)):
        urls = bench.urls(bench.fifty)
        cold.append(bench.rank(bench.ours(), urls))
        warm.append(bench.rank(bench.ours(), urls))
        urls = bench.urls(bench.fifty)
        bench.ours().prefetch(urls)
        ahead.append(bench.rank(bench.ours(), urls))
    return {
        "cold_s": statistics.median(cold),
        "warm_s": statistics.median(warm),
        "prefetched_s": statistics.median(ahead),
        "ratio": statistics.median(a / w for a, w in zip(ahead, warm, strict=True)),
    }


def hot(bench: Bench) -> Figures:
    """16 clients on one known list: with one photo, and with a new photo each."""
    urls = bench.urls(bench.fifty)
    photo = bench.query()
    bench.ours().rank(photo, urls)

    def same(_: int) -> None:
        bench.ours().rank(photo, urls)

    def new(_: int) -> None:
        bench.rank(bench.ours(), urls)

    asked = CLIENTS * EACH
    rates: dict[str, list[float]] = {"same": [], "new": []}
    ratios = []
    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in range(bench.few):
            for name, ask in (("same", same), ("new", new)):
                start = time.perf_counter()
                list(clients.map(ask, range(asked)))
                rates[name].append(asked / (time.perf_counter() - start))
            one_s = statistics.median(bench.bare().seconds(1) for _ in range(20))
            ratios.append(rates["new"][-1] * one_s)
    return {
        "same_per_s": statistics.median(rates["same"]),
        "same_rates": rates["same"],
        "new_per_s": statistics.median(rates["new"]),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def missed(bench: Bench) -> Figures:
    """Nothing is known: with the cache, against the same service without one."""
    without = processes.ours(bench.port, CLIP_CACHE_BYTES="0")
    try:
        return bench.pairs(
            lambda: bench.rank(bench.ours(), bench.urls(bench.fifty)),
            lambda: bench.rank(without, bench.urls(bench.fifty)),
            rounds=10 if bench.rounds > 1 else 1,
        )
    finally:
        without.close()


def first_score(bench: Bench) -> Figures:
    """On an idle service: from the first thumbnail's arrival to the first score, streamed.

    Once with the thumbnails after the photo is embedded, once all of them with the photo.
    """
    figures = {}
    for delay_ms in (500, 0):
        waits = []
        for _ in range(bench.rounds):
            urls = bench.urls(bench.fifty, delay_ms=delay_ms)
            waits.append(bench.ours().first_score_s(bench.query(), urls) - delay_ms / 1000)
        figures[str(delay_ms)] = {
            "wait_ms": statistics.median(waits) * 1000,
            "worst_ms": max(waits) * 1000,
        }
    return figures
