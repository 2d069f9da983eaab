"""Figures as a table, as JSON and as a plot."""

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
"""Beside the scenarios in ``results.json``: when and on which machine each was measured."""
WITHOUT_VNNI = """\
The targets of 8 bits were stated for AVX2 without VNNI; [WAYS.md](WAYS.md) has a measurement there.
"""


def save(figures: Figures, folder: Path = FOLDER) -> None:
    """Writes ``results.json``, ``RESULTS.md`` and ``results.png``."""
    from bench import plot  # the tests of this module do without matplotlib

    known = record(figures, folder / "results.json", machine())
    (folder / "RESULTS.md").write_text(table(known))
    plot.plot(known, folder / "results.png")


def record(figures: Figures, path: Path, machine: str) -> Figures:
    """Adds scenarios to those in the file; answers all.

    Scenarios that were not measured this time keep the figures they had, with date and machine.
    """
    known: Figures = json.loads(path.read_text()) if path.exists() else {WHERE: {}}
    known.update(figures)
    stamp = {"date": date.today().isoformat(), "machine": machine}
    load = round(os.getloadavg()[2], 1)
    known[WHERE].update(dict.fromkeys(figures, stamp | {"load": load}))
    known["newest"] = stamp
    path.write_text(json.dumps(known, indent=1) + "\n")
    return known


def table(figures: Figures) -> str:
    """The figures for people, in Markdown."""
    others = _others(figures)
    newest, most = figures["newest"], max(one["load"] for one in figures[WHERE].values())
    lines = [
        "# Speed and memory",
        "",
        f"{newest['date']}, {newest['machine']}, load average up to {most} over 15 minutes. "
        "ViT-B/32 in fp32, random weights. Medians; in brackets the smallest and largest of all "
        "rounds. Machines drift: only ratios count. Written by `make bench`; what was tried is in "
        "[WAYS.md](WAYS.md).",
        "",
        "| target | at most | measured | met |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {_what(row.what, name, figures, others)} | {row.limit} | {row.value} "
        f"| {'yes' if row.met else '**no**'} |"
        for name, row in targets.rows(figures)
    ]
    if missing := targets.missing(figures):
        lines += ["", f"Not measured, so neither met nor missed: {', '.join(missing)}."]
    lines += ["", "| further | measured |", "|---|---|"]
    lines += [
        f"| {_what(what, name, figures, others)} | {value} |"
        for name, what, value in _further(figures)
    ]
    for (date_, machine), number in others.items():
        lines += ["", f"[{number}] {date_}, {machine}."]
    if _with_vnni("int8", figures):
        lines += ["", WITHOUT_VNNI]
    return "\n".join([*lines, "", "![the same as a plot](results.png)", ""])


def _others(figures: Figures) -> dict[tuple[str, str], int]:
    """A number for each day and machine that is not the newest."""
    newest = tuple(figures["newest"].values())
    stamps = {(one["date"], one["machine"]) for one in figures[WHERE].values()}
    return {stamp: number for number, stamp in enumerate(sorted(stamps - {newest}), 1)}


def _what(what: str, name: str, figures: Figures, others: dict[tuple[str, str], int]) -> str:
    """What a row is about, with what sets its measurement apart."""
    number = others.get((figures[WHERE][name]["date"], figures[WHERE][name]["machine"]))
    vnni = ", with VNNI" if name == "int8" and _with_vnni(name, figures) else ""
    return f"{what}{vnni}" + (f" [{number}]" if number else "")


def _with_vnni(name: str, figures: Figures) -> bool:
    return name in figures and "vnni" in figures[WHERE][name]["machine"]


def _further(figures: Figures) -> Iterator[tuple[str, str, str]]:
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


def machine() -> str:
    """Processor, how many of its cores, what it can in 8 bits, and ONNX Runtime's version."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    known = [flag for flag in ("avx2", "avx_vnni", "avx512_vnni", "amx_int8") if flag in flags]
    return f"{THREADS} cores of {name} ({', '.join(known)}), ONNX Runtime {ort.__version__}"
