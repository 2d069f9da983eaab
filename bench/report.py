"""Figures as a table, as JSON and as a plot."""

import json
import os
import statistics
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import onnxruntime as ort

from bench.settings import THREADS

mpl.use("Agg")
import matplotlib.pyplot as plt

FOLDER = Path(__file__).parent
DOWNLOAD_S = 2 * 3.0
"""``CLIP_DOWNLOAD_TIMEOUT_S`` with its one retry."""
FIXED_MS = 60
LINEAR = 0.10
"""A request may be this far off the line through all."""

TARGETS = ("fifty", "late", "hanging", "clients", "lone", "growth", "memory", "start")
"""Scenarios with a target."""

Figures = dict[str, Any]


class _Row(NamedTuple):
    what: str
    limit: str
    value: str
    met: bool


def save(figures: Figures, folder: Path = FOLDER) -> None:
    """Writes ``results.json``, ``RESULTS.md`` and ``results.png``.

    Scenarios that were not measured this time keep the figures they had.
    """
    path = folder / "results.json"
    known: Figures = json.loads(path.read_text()) if path.exists() else {}
    known |= figures | {"machine": _machine(), "date": date.today().isoformat()}
    path.write_text(json.dumps(known, indent=1) + "\n")
    (folder / "RESULTS.md").write_text(table(known))
    _plot(known, folder / "results.png")


def table(figures: Figures) -> str:
    """The figures for people, in Markdown."""
    lines = [
        "# Speed and memory",
        "",
        f"{figures['date']}, {figures['machine']}. ViT-B/32 in fp32, random weights. Medians; "
        "behind a ratio its smallest and largest pair. Machines drift: only ratios count. "
        "Written by `make bench`; what was tried is in [WAYS.md](WAYS.md).",
        "",
        "| target | at most | measured | met |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row.what} | {row.limit} | {row.value} | {'yes' if row.met else '**no**'} |"
        for row in _targets(figures)
    ]
    if missing := [name for name in TARGETS if name not in figures]:
        lines += ["", f"Not measured, so neither met nor missed: {', '.join(missing)}."]
    lines += ["", "| further | measured |", "|---|---|"]
    lines += [f"| {what} | {value} |" for what, value in _further(figures)]
    return "\n".join([*lines, "", "![the same as a plot](results.png)", ""])


def _targets(figures: Figures) -> Iterator[_Row]:
    rows: list[tuple[str, Callable[[Figures], _Row]]] = [
        ("fifty", lambda f: _ratio("50 candidates ÷ bare session on the 51 pictures", 1.08, f)),
        ("late", lambda f: _ratio("each picture 300 ms late ÷ straightforward service", 0.65, f)),
        (
            "hanging",
            lambda f: _Row(
                "one host hangs: time beyond the run without",
                f"{DOWNLOAD_S:g} s",
                f"{f['beyond_s']:.2f} s, the rest complete",
                f["beyond_s"] <= DOWNLOAD_S,
            ),
        ),
        (
            "clients",
            lambda f: _Row(
                "16 clients, pictures a second ÷ bare session's",
                "at least 0.90",
                f"{f['16']['ratio']:.2f}",
                f["16"]["ratio"] >= 0.90,
            ),
        ),
        (
            "lone",
            lambda f: _Row(
                "one candidate beside 16 clients with fifty ÷ bare batch of 16",
                "4",
                f"{f['ratio']:.2f} (worst {f['worst']:.2f} of {f['requests']})",
                f["ratio"] <= 4,
            ),
        ),
        (
            "growth",
            lambda f: _Row(
                "10 to 200 candidates: linear, fixed part",
                f"{FIXED_MS} ms",
                f"{f['fixed_ms']:.0f} ms, {f['per_picture_ms']:.1f} ms a picture, "
                f"off the line by {f['worst_deviation']:.0%} at most",
                f["fixed_ms"] < FIXED_MS and f["worst_deviation"] <= LINEAR,
            ),
        ),
        (
            "memory",
            lambda f: _Row(
                "memory (PSS) ÷ straightforward service",
                "0.55",
                f"{f['ratio']:.2f} ({f['ours_mb']:.0f} ÷ {f['other_mb']:.0f} MB)",
                f["ratio"] <= 0.55,
            ),
        ),
        ("cached", lambda f: _known(f, "50", 60)),
        ("cached", lambda f: _known(f, "200", 80)),
        (
            "prefetched",
            lambda f: _Row(
                "prefetched, then /rank ÷ all cached",
                "1.10",
                f"{f['ratio']:.2f} ({f['prefetched_s']:.3f} ÷ {f['warm_s']:.3f} s; "
                f"cold {f['cold_s']:.2f} s)",
                f["ratio"] <= 1.1,
            ),
        ),
        (
            "hot",
            lambda f: _Row(
                "16 clients, one photo, one known list of 50",
                "at least 60 a second",
                f"{f['same_per_s']:.0f} a second",
                f["same_per_s"] >= 60,
            ),
        ),
        (
            "hot",
            lambda f: _Row(
                "the same with a new photo each ÷ bare session's rate one by one",
                "at least 0.90",
                f"{f['ratio']:.2f} ({f['new_per_s']:.1f} a second)",
                f["ratio"] >= 0.9,
            ),
        ),
        ("missed", _missed),
        ("first_score", lambda f: _first_score("after the photo", f["500"])),
        ("first_score", lambda f: _first_score("with the photo", f["0"])),
        (
            "start",
            lambda f: _Row(
                "start to first `ok` beyond an empty two-service BentoML app",
                "2 s",
                f"{f['beyond_s']:.2f} s ({f['ours_s']:.2f} - {f['empty_s']:.2f})",
                f["beyond_s"] <= 2,
            ),
        ),
    ]
    return (row(figures[name]) for name, row in rows if name in figures)


def _ratio(what: str, limit: float, figures: Figures) -> _Row:
    return _Row(what, f"{limit:.2f}", _pairs(figures), figures["ratio"] <= limit)


def _known(figures: Figures, count: str, limit_ms: float) -> _Row:
    beyond_ms = figures.get(count, {"beyond_ms": float("nan")})["beyond_ms"]
    return _Row(
        f"a new photo with {count} known candidates: time beyond the photo alone",
        f"{limit_ms:g} ms",
        f"{beyond_ms:.0f} ms",
        beyond_ms <= limit_ms,
    )


def _first_score(when: str, figures: Figures) -> _Row:
    return _Row(
        f"stream: first score after the first thumbnail, which comes {when}",
        "300 ms",
        f"{figures['wait_ms']:.0f} ms (worst {figures['worst_ms']:.0f})",
        figures["wait_ms"] <= 300,
    )


def _missed(figures: Figures) -> _Row:
    """Half-width of the 95 % interval of the mean ratio: t(9) = 2.26 for ten pairs."""
    ratios = figures["ratios"]
    half = 2.26 * statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else 0.0
    mean = statistics.mean(ratios)
    return _Row(
        "nothing known: with the cache ÷ without, 95 % interval",
        "holds 1",
        f"{mean - half:.3f} to {mean + half:.3f} ({len(ratios)} pairs)",
        mean - half <= 1,
    )


def _pairs(figures: Figures) -> str:
    low, high = min(figures["ratios"]), max(figures["ratios"])
    return (
        f"{figures['ratio']:.2f} ({low:.2f} to {high:.2f}); "
        f"{figures['ours_s']:.2f} ÷ {figures['other_s']:.2f} s"
    )


def _further(figures: Figures) -> Iterator[tuple[str, str]]:
    if "dead" in figures:
        yield "one URL in ten dead ÷ none", _pairs(figures["dead"])
    if "phone" in figures:
        yield "query photo of 12 megapixels ÷ thumbnail", _pairs(figures["phone"])
    for size, pairs in figures.get("sizes", {}).items():
        yield f"pictures of {size} ÷ 600x450", _pairs(pairs)
    for count, rate in figures.get("clients", {}).items():
        yield (
            f"clients at once: {count}",
            f"{rate['per_s']:.1f} pictures a second, {rate['ratio']:.2f} of the bare session's",
        )
    if "memory" in figures:
        f = figures["memory"]
        yield (
            "memory after 16 clients at once ÷ straightforward service",
            f"{f['loaded_ratio']:.2f} ({f['ours_loaded_mb']:.0f} ÷ {f['other_loaded_mb']:.0f} MB)",
        )
    for count, seconds in sorted(_by_count(figures.get("growth", {})).items()):
        yield f"{count - 1} candidates", f"{sorted(seconds)[len(seconds) // 2]:.2f} s"


def _by_count(growth: Figures) -> dict[int, list[float]]:
    seconds: dict[int, list[float]] = {}
    for count, took in growth.get("points", []):
        seconds.setdefault(int(count), []).append(took)
    return seconds


def _plot(figures: Figures, path: Path) -> None:
    named = {"fifty": "÷ bare session", "late": "300 ms late\n÷ straightforward"}
    pairs = {label: figures[name]["ratios"] for name, label in named.items() if name in figures}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.set(title="50 candidates, each pair a dot", ylabel="ratio of times")
    left.axhline(1, color="grey", linewidth=0.5)
    for at, ratios in enumerate(pairs.values()):
        left.plot([at] * len(ratios), ratios, "o", alpha=0.5)
    left.set_xticks(range(len(pairs)), list(pairs))
    left.set_ylim(bottom=0)
    right.set(title="time over pictures", xlabel="pictures, query counted", ylabel="s")
    if growth := figures.get("growth"):
        x = [0, max(count for count, _ in growth["points"])]
        right.plot(*zip(*growth["points"], strict=True), "o", alpha=0.5)
        right.plot(x, [(growth["fixed_ms"] + growth["per_picture_ms"] * n) / 1000 for n in x])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    known = [flag for flag in ("avx2", "avx_vnni", "avx512_vnni", "amx_int8") if flag in flags]
    cores = f"{THREADS} cores of {name} ({', '.join(known)}), ONNX Runtime {ort.__version__}"
    return f"{cores}, load average {os.getloadavg()[2]:.1f} over 15 minutes"
