"""Figures as a table, as JSON and as a plot."""

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import matplotlib as mpl
import onnxruntime as ort

from bench import targets
from bench.settings import THREADS
from bench.targets import Figures, pairs

mpl.use("Agg")
import matplotlib.pyplot as plt

FOLDER = Path(__file__).parent


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
        for row in targets.rows(figures)
    ]
    if missing := targets.missing(figures):
        lines += ["", f"Not measured, so neither met nor missed: {', '.join(missing)}."]
    lines += ["", "| further | measured |", "|---|---|"]
    lines += [f"| {what} | {value} |" for what, value in _further(figures)]
    return "\n".join([*lines, "", "![the same as a plot](results.png)", ""])


def _further(figures: Figures) -> Iterator[tuple[str, str]]:
    if "dead" in figures:
        yield "one URL in ten dead ÷ none", pairs(figures["dead"])
    if "phone" in figures:
        yield "query photo of 12 megapixels ÷ thumbnail", pairs(figures["phone"])
    if "int8" in figures:
        yield "/rank of fifty in 8 bits ÷ in fp32", pairs(figures["int8"]["rank"])
    for size, measured in figures.get("sizes", {}).items():
        yield f"pictures of {size} ÷ 600x450", pairs(measured)
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
    ratios_of = {label: figures[name]["ratios"] for name, label in named.items() if name in figures}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.set(title="50 candidates, each pair a dot", ylabel="ratio of times")
    left.axhline(1, color="grey", linewidth=0.5)
    for at, ratios in enumerate(ratios_of.values()):
        left.plot([at] * len(ratios), ratios, "o", alpha=0.5)
    left.set_xticks(range(len(ratios_of)), list(ratios_of))
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
