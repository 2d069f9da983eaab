"""What is measured. Each scenario returns its figures."""

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bench import against, crowds, eight_bits, failing, infinity, known, pictures, processes
from bench.pictures import THUMBNAIL
from bench.session import Bench, Figures

LATE_MS = 300


def fifty(bench: Bench) -> Figures:
    """50 candidates, no delay, against the bare session on as many pictures."""
    return bench.pairs(
        lambda: bench.rank(bench.ours(), bench.urls(bench.fifty)),
        lambda: bench.bare().seconds(bench.fifty + 1),
    )


def late(bench: Bench) -> Figures:
    """The same with every picture 300 ms late, against the straightforward service."""
    return bench.pairs(
        lambda: bench.rank(bench.ours(), bench.urls(bench.fifty, delay_ms=LATE_MS)),
        lambda: bench.rank(bench.straightforward(), bench.urls(bench.fifty, delay_ms=LATE_MS)),
        rounds=min(bench.rounds, 5),
    )


def phone(bench: Bench) -> Figures:
    """A photo of 12 megapixels as the query, against a thumbnail as the query."""
    photo = bench.query("phone.jpg")
    return bench.pairs(
        lambda: bench.ours().rank(photo, bench.urls(bench.fifty))[0],
        lambda: bench.rank(bench.ours(), bench.urls(bench.fifty)),
        rounds=bench.few,
    )


def sizes(bench: Bench) -> Figures:
    """Pictures of other sizes, against 600x450."""
    return {
        pictures.name(size): bench.pairs(
            lambda size=size: bench.rank(bench.ours(), bench.urls(bench.fifty, size=size)),
            lambda: bench.rank(bench.ours(), bench.urls(bench.fifty)),
            rounds=bench.few,
        )
        for size in pictures.SIZES
        if size != THUMBNAIL
    }


def growth(bench: Bench) -> Figures:
    """10 to 200 candidates: a line through seconds over pictures, the query counted."""
    counts = [bench.most // part for part in (20, 8, 4, 2, 1)]
    bench.rank(bench.ours(), bench.urls(counts[0]))
    points = [
        (count + 1, bench.rank(bench.ours(), bench.urls(count)))
        for _ in range(bench.few)
        for count in counts
    ]
    x, y = np.asarray(points).T
    # Weighted to relative errors: else the largest requests alone decide the fixed part.
    slope, fixed = np.polyfit(x, y, 1, w=1 / y)
    return {
        "points": points,
        "per_picture_ms": slope * 1000,
        "fixed_ms": fixed * 1000,
        "worst_deviation": float(np.max(np.abs(slope * x + fixed - y) / y)),
    }


def shared(bench: Bench) -> Figures:
    """16 clients with a photo each and the same fifty new listings: pictures in a call."""
    rounds = [against.shared(bench, bench.ours()) for _ in range(bench.few)]
    return {
        name: statistics.median(values[of] for values in rounds)
        for name, of in (("per_call", "batch"), ("ours_s", "shared"))
    } | {"rounds": [values["batch"] for values in rounds]}


def memory(bench: Bench) -> Figures:
    """Memory of all processes ÷ that of the straightforward service, both just started.

    After two requests, and after 16 clients at once.
    """
    bench.close()
    figures: Figures = {}
    for name, service in (("ours", bench.ours), ("other", bench.straightforward)):
        for _ in range(2):
            bench.rank(service(), bench.urls(bench.fifty))
        figures[f"{name}_mb"] = service().pss_bytes() / 1e6
        with ThreadPoolExecutor(16) as threads:
            ask = [lambda: bench.rank(service(), bench.urls(bench.fifty))] * 16  # noqa: B023
            crowds.together(threads, ask)
        figures[f"{name}_loaded_mb"] = service().pss_bytes() / 1e6
        bench.close()
    return figures | {
        "ratio": figures["ours_mb"] / figures["other_mb"],
        "loaded_ratio": figures["ours_loaded_mb"] / figures["other_loaded_mb"],
    }


def start(bench: Bench) -> Figures:
    """Seconds to the first ``ok``, files in the cache, beside an empty two-service BentoML app."""
    bench.close()
    starts = (("ours", lambda: processes.ours(bench.port)), ("empty", processes.empty_app))
    times: dict[str, list[float]] = {"ours": [], "empty": []}
    for round_ in range(1 + bench.few):
        for name, begin in starts:
            service = begin()
            service.close()
            if round_:  # the first fills the file cache
                times[name].append(service.start_s)
    ours, empty = (statistics.median(times[name]) for name in ("ours", "empty"))
    return {"ours_s": ours, "empty_s": empty, "beyond_s": ours - empty}


SCENARIOS: dict[str, Callable[[Bench], Figures]] = {
    scenario.__name__: scenario
    for scenario in (
        fifty,
        late,
        failing.dead,
        failing.lossy,
        failing.hanging,
        phone,
        sizes,
        crowds.clients,
        crowds.lone,
        crowds.leftovers,
        shared,
        growth,
        memory,
        eight_bits.int8,
        known.cached,
        known.prefetched,
        known.hot,
        known.missed,
        known.first_score,
        start,
    )
}
APART: dict[str, Callable[[Bench], Figures]] = {"infinity": infinity.inline}
"""Measured only when asked for."""
