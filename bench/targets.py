"""What is aimed at: each row judges the figures of one scenario."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

DOWNLOAD_S = 2 * 3.0
"""``CLIP_DOWNLOAD_TIMEOUT_S`` with its one retry."""
NOT_SLOWER = 1.05
"""What an interval that is to show equality may reach up to."""
T_9 = 2.26
"""Student's t for a 95 % interval over ten pairs."""

Figures = dict[str, Any]


class Row(NamedTuple):
    """One target."""

    what: str
    limit: str
    value: str
    met: bool


def rows(figures: Figures) -> Iterator[tuple[str, Row]]:
    """Each target whose scenario was measured: the scenario's name and the row."""
    return ((name, row(figures[name])) for name, row in TARGETS if name in figures)


def missing(figures: Figures) -> list[str]:
    """Scenarios with a target that were not measured."""
    return [name for name in dict(TARGETS) if name not in figures]


def pairs(figures: Figures) -> str:
    """The median ratio, its spread, and both times."""
    times = f"{figures['ours_s']:.2f} ÷ {figures['other_s']:.2f} s"
    return f"{figures['ratio']:.2f} ({spread(figures['ratios'])}); {times}"


def spread(values: list[float]) -> str:
    """Smallest and largest."""
    return f"{min(values):.2f} to {max(values):.2f}"


def lone(figures: Figures) -> str:
    """Rounds beside a crowd, and the worst single request."""
    worst = f"worst {figures['worst']:.2f} of {figures['requests']}"
    return f"{figures['ratio']:.2f} ({spread(figures['ratios'])}; {worst})"


def _fifty(f: Figures) -> Row:
    return _ratio("50 candidates ÷ bare session on the 51 pictures", 1.03, f)


def _late(f: Figures) -> Row:
    return _ratio("each picture 300 ms late ÷ straightforward service", 0.65, f)


def _hanging(share: str) -> Callable[[Figures], Row]:
    def row(f: Figures) -> Row:
        count, beyond_s = f[share]["count"], f[share]["beyond_s"]
        what = f"one host hangs, {count} of fifty there: time beyond the run without"
        value = f"{beyond_s:.2f} s, the rest complete"
        return Row(what, f"{DOWNLOAD_S:g} s", value, beyond_s <= DOWNLOAD_S)

    return row


def _clients(f: Figures) -> Row:
    ratio, value = f["16"]["ratio"], f"{f['16']['ratio']:.2f} ({spread(f['16']['ratios'])})"
    return Row(
        "16 clients, pictures a second ÷ bare session's", "at least 0.90", value, ratio >= 0.9
    )


def _lone(f: Figures) -> Row:
    what = "one candidate beside 16 clients with fifty ÷ bare batch of 16"
    return Row(what, "4", lone(f["new"]), f["new"]["ratio"] <= 4)


def _leftovers(f: Figures) -> Row:
    value, met = f"{pairs(f)}; {f['left']} or more left", f["ratio"] <= 1.1 and f["left"] > 0
    return Row("fifty beside what two requests left at their deadlines ÷ alone", "1.10", value, met)


def _shared(f: Figures) -> Row:
    value = f"{f['per_call']:.1f} ({spread(f['rounds'])}); {f['ours_s']:.2f} s"
    what = "16 clients, a photo each, the same fifty new: pictures in a call"
    return Row(what, "at least 12", value, f["per_call"] >= 12)


def _growth(f: Figures) -> Row:
    value = (
        f"{f['fixed_ms']:.0f} ms, {f['per_picture_ms']:.1f} ms a picture, "
        f"off the line by {f['worst_deviation']:.0%} at most"
    )
    met = f["fixed_ms"] < 60 and f["worst_deviation"] <= 0.1
    return Row("10 to 200 candidates: linear, fixed part", "60 ms", value, met)


def _memory(f: Figures) -> Row:
    value = f"{f['ratio']:.2f} ({f['ours_mb']:.0f} ÷ {f['other_mb']:.0f} MB)"
    return Row("memory (PSS) ÷ straightforward service", "0.55", value, f["ratio"] <= 0.55)


def _int8_time(f: Figures) -> Row:
    return _ratio("8 bits ÷ fp32, the session alone", 0.70, f)


def _int8_memory(f: Figures) -> Row:
    ratio = f["ours_mb"] / f["other_mb"]
    value = f"{ratio:.2f} ({f['ours_mb']:.0f} ÷ {f['other_mb']:.0f} MB)"
    return Row("8 bits ÷ fp32, memory of the session's process", "0.60", value, ratio <= 0.6)


def _cached(count: str, limit_ms: float) -> Callable[[Figures], Row]:
    def row(f: Figures) -> Row:
        beyond_ms = f.get(count, {"beyond_ms": float("nan")})["beyond_ms"]
        what = f"a new photo with {count} known candidates: time beyond the photo alone"
        return Row(what, f"{limit_ms:g} ms", f"{beyond_ms:.0f} ms", beyond_ms <= limit_ms)

    return row


def _prefetched(f: Figures) -> Row:
    seconds = f"{f['prefetched_s']:.3f} ÷ {f['warm_s']:.3f} s"
    value = f"{f['ratio']:.2f} ({seconds}; cold {f['cold_s']:.2f} s)"
    return Row("prefetched, then /rank ÷ all cached", "1.10", value, f["ratio"] <= 1.1)


def _hot_same(f: Figures) -> Row:
    what, rate = "16 clients, one photo, one known list of 50", f["same_per_s"]
    value = f"{rate:.0f} a second ({min(f['same_rates']):.0f} to {max(f['same_rates']):.0f})"
    return Row(what, "at least 60 a second", value, rate >= 60)


def _hot_new(f: Figures) -> Row:
    what = "the same with a new photo each ÷ bare session's rate one by one"
    value = f"{f['ratio']:.2f} ({spread(f['ratios'])}); {f['new_per_s']:.1f} a second"
    return Row(what, "at least 0.90", value, f["ratio"] >= 0.9)


def _missed(f: Figures) -> Row:
    ratios = f["ratios"]
    half = T_9 * statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else 0.0
    mean = statistics.mean(ratios)
    what = "nothing known: with the cache ÷ without, 95 % interval"
    low, high = mean - half, mean + half
    value = f"{low:.3f} to {high:.3f} ({len(ratios)} pairs)"
    # Noise alone would widen the interval until it holds anything.
    return Row(what, f"holds 1 and ends by {NOT_SLOWER:g}", value, low <= 1 and high <= NOT_SLOWER)


def _first_score(when: str, delay_ms: str) -> Callable[[Figures], Row]:
    def row(f: Figures) -> Row:
        waits = f[delay_ms]
        what = f"stream: first score after the first thumbnail, which comes {when}"
        value = f"{waits['wait_ms']:.0f} ms (worst {waits['worst_ms']:.0f})"
        return Row(what, "300 ms", value, waits["wait_ms"] <= 300)

    return row


def _start(f: Figures) -> Row:
    what = "start to first `ok` beyond an empty two-service BentoML app"
    value = f"{f['beyond_s']:.2f} s ({f['ours_s']:.2f} - {f['empty_s']:.2f})"
    return Row(what, "2 s", value, f["beyond_s"] <= 2)


def _ratio(what: str, limit: float, f: Figures) -> Row:
    return Row(what, f"{limit:.2f}", pairs(f), f["ratio"] <= limit)


TARGETS: tuple[tuple[str, Callable[[Figures], Row]], ...] = (
    ("fifty", _fifty),
    ("late", _late),
    ("hanging", _hanging("one")),
    ("hanging", _hanging("half")),
    ("clients", _clients),
    ("lone", _lone),
    ("leftovers", _leftovers),
    ("shared", _shared),
    ("growth", _growth),
    ("memory", _memory),
    ("start", _start),
    ("int8", _int8_time),
    ("int8", _int8_memory),
    ("cached", _cached("50", 60)),
    ("cached", _cached("200", 80)),
    ("prefetched", _prefetched),
    ("hot", _hot_same),
    ("hot", _hot_new),
    ("missed", _missed),
    ("first_score", _first_score("after the photo", "500")),
    ("first_score", _first_score("with the photo", "0")),
)
"""Scenario and how its figures are judged."""
