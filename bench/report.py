"""Figures as a table, as JSON and as a plot, each processor beside the others."""

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import onnxruntime as ort

from bench import targets
from bench.settings import THREADS
from bench.targets import Figures, pairs

FOLDER = Path(__file__).parent
WHERE = "measured"
"""Beside a processor's scenarios in ``results.json``: when each was measured, and by what."""

UNKNOWN = "–"  # noqa: RUF001
Known = dict[str, Figures]
"""By processor, the one measured first in front."""


def save(figures: Figures, folder: Path = FOLDER) -> None:
    """Writes ``results.json``, ``RESULTS.md`` and ``results.png``."""
    from bench import plot  # the tests of this module do without matplotlib

    known = record(figures, folder / "results.json", processor())
    (folder / "RESULTS.md").write_text(table(known))
    plot.plot(known, folder / "results.png")


def record(figures: Figures, path: Path, processor: str) -> Known:
    """Adds scenarios to those of this processor in the file; answers all.

    Scenarios that were not measured this time keep the figures they had, with their date.
    """
    known: Known = json.loads(path.read_text()) if path.exists() else {}
    own = known.setdefault(processor, {WHERE: {}})
    own.update(figures)
    stamp = {"date": date.today().isoformat(), "runtime": runtime()}
    load = round(os.getloadavg()[2], 1)
    own[WHERE].update(dict.fromkeys(figures, stamp | {"load": load}))
    path.write_text(json.dumps(known, indent=1) + "\n")
    return known


def table(known: Known) -> str:
    """The figures for people, in Markdown, a column or two for each processor."""
    lines = [
        "# Speed and memory",
        "",
        "ViT-B/32 in fp32, random weights. Medians; in brackets the smallest and largest of all "
        "rounds. Machines drift: only ratios count. Written by `make bench`; what was tried is in "
        "[WAYS.md](WAYS.md).",
        "",
        *(f"- {name}: {_when(figures)}" for name, figures in known.items()),
        "",
        "| target | at most | " + " | ".join(f"{name} | met" for name in known) + " |",
        "|---|---|" + "---|---|" * len(known),
        *_side_by_side([_targets(figures) for figures in known.values()], f"{UNKNOWN} | {UNKNOWN}"),
        "",
        "| further | " + " | ".join(known) + " |",
        "|---|" + "---|" * len(known),
        *_side_by_side([_further(figures) for figures in known.values()], UNKNOWN),
        "",
        "![the same as a plot](results.png)",
        "",
    ]
    return "\n".join(lines)


def _side_by_side(columns: list[dict[str, str]], empty: str) -> list[str]:
    """A line for each key of any column."""
    keys = dict.fromkeys(key for column in columns for key in column)
    return [
        f"| {key} | {' | '.join(column.get(key, empty) for column in columns)} |" for key in keys
    ]


def _when(figures: Figures) -> str:
    """Of a processor's newest figures, and by its number of each older one."""
    most = max(one["load"] for one in figures[WHERE].values())
    newest, *older = _stamps(figures)
    told = [f"{newest}, load average up to {most} over 15 minutes"]
    told += [f"[{number}] {stamp}" for number, stamp in enumerate(older, 1)]
    if missing := targets.missing(figures):
        told.append(f"not measured, so neither met nor missed: {', '.join(missing)}")
    return "; ".join(told)


def _stamps(figures: Figures) -> list[str]:
    """All days and runtimes, the newest first."""
    return sorted({_stamp(one) for one in figures[WHERE].values()}, reverse=True)


def _stamp(one: dict[str, str]) -> str:
    return f"{one['date']}, {one['runtime']}"


def _note(name: str, figures: Figures) -> str:
    """A number behind what is older than the newest figures of this processor."""
    number = _stamps(figures).index(_stamp(figures[WHERE][name]))
    return f" [{number}]" if number else ""


def _targets(figures: Figures) -> dict[str, str]:
    return {
        f"{row.what} | {row.limit}": f"{row.value}{_note(name, figures)} "
        f"| {'yes' if row.met else '**no**'}"
        for name, row in targets.rows(figures)
    }


def _further(figures: Figures) -> dict[str, str]:
    return {what: value + _note(name, figures) for name, what, value in _without_a_target(figures)}


def _without_a_target(figures: Figures) -> Iterator[tuple[str, str, str]]:
    """Scenario, what, value."""
    if "dead" in figures:
        yield "dead", "one URL in ten dead ÷ none", pairs(figures["dead"])
    if "lossy" in figures:
        f = figures["lossy"]
        value = f"{pairs(f)}; {f['failed']} of {f['candidates']} candidates failed"
        yield "lossy", "one connection in ten dropped ÷ none", value
    if "phone" in figures:
        yield "phone", "query photo of 12 megapixels ÷ thumbnail", pairs(figures["phone"])
    if "int8" in figures:
        yield "int8", "/rank of fifty in 8 bits ÷ in fp32", pairs(figures["int8"]["rank"])
    for size, measured in figures.get("sizes", {}).items():
        yield "sizes", f"pictures of {size} ÷ 600x450", pairs(measured)
    for count, rate in figures.get("clients", {}).items():
        value = f"{rate['per_s']:.1f} pictures a second, {rate['ratio']:.2f}"
        value += f" ({targets.spread(rate['ratios'])}) of the bare session's"
        yield "clients", f"clients at once: {count}", value
    if "lone" in figures:
        what = "one candidate whose thumbnail the 16 clients wait for too ÷ bare batch of 16"
        yield "lone", what, targets.lone(figures["lone"]["shared"])
    if "infinity" in figures:
        f = figures["infinity"]
        what = f"50 candidates ÷ infinity-emb {f['version']} on the 51 pictures, sent inline"
        yield "infinity", what, pairs(f)
    if "loaded_ratio" in figures.get("memory", {}):
        f = figures["memory"]
        megabytes = f"{f['ours_loaded_mb']:.0f} ÷ {f['other_loaded_mb']:.0f} MB"
        what = "memory after 16 clients at once ÷ straightforward service"
        yield "memory", what, f"{f['loaded_ratio']:.2f} ({megabytes})"
    for count, seconds in sorted(_by_count(figures.get("growth", {})).items()):
        yield "growth", f"{count - 1} candidates", f"{sorted(seconds)[len(seconds) // 2]:.2f} s"


def _by_count(growth: Figures) -> dict[int, list[float]]:
    seconds: dict[int, list[float]] = {}
    for count, took in growth.get("points", []):
        seconds.setdefault(int(count), []).append(took)
    return seconds


def processor() -> str:
    """How many of its cores, its name, and what it can in 8 bits."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    known = [flag for flag in ("avx2", "avx_vnni", "avx512_vnni", "amx_int8") if flag in flags]
    cores = "1 core" if THREADS == 1 else f"{THREADS} cores"
    return f"{cores} of {name} ({', '.join(known)})"


def runtime() -> str:
    """ONNX Runtime's version."""
    return f"ONNX Runtime {ort.__version__}"
