"""Writes what was judged into ``docs/evaluation.md``, between marks, and a plot beside it."""

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench import setting_costs

mpl.use("Agg")
import matplotlib.pyplot as plt

DOCUMENT = Path("docs/evaluation.md")
PLOT = Path("docs/evaluation.svg")
MEASURE = "recall@1"
Rows = list[dict[str, Any]]


def write(found: dict[str, Any]) -> None:
    """Renews the tables of each part that was judged, and the plot."""
    text = DOCUMENT.read_text()
    found = dict(found)
    if costs := found.pop("costs", None):
        text = between(text, "costs", setting_costs.table(costs))
    for part, report in found.items():
        labels = "model" if part == "starter" else "setting"
        text = between(text, part, table(report["rows"], labels))
        text = between(text, f"{part}-paired", compared(report["comparisons"], labels))
    # Titles are judged on parts of one of the others' data sets.
    reports = [report for part, report in found.items() if part != "titles"]
    rows = [row for report in reports for row in report["rows"]]
    if rows:
        text = between(text, "datasets", datasets(rows))
    DOCUMENT.write_text(text)
    if "starter" in found:
        plot(found["starter"]["rows"])


def between(text: str, mark: str, new: str) -> str:
    """Puts ``new`` between ``<!-- mark -->`` and ``<!-- /mark -->``."""
    pattern = rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{new}\n{found[2]}", text, flags=re.DOTALL)


def table(rows: Rows, label: str) -> str:
    """Recall at 1 with its interval: a line a model or setting, a column a data set."""
    names = list(dict.fromkeys(_name(row) for row in rows))
    cells = {(row[label], _name(row)): cell(row["measures"][MEASURE]) for row in rows}
    lines = [[label, *names], ["---"] * (len(names) + 1)]
    lines += [
        [f"`{one}`", *(cells.get((one, name), "") for name in names)]
        for one in dict.fromkeys(row[label] for row in rows)
    ]
    return _lines(lines)


def compared(comparisons: Rows, label: str) -> str:
    """Items won and lost against the first, and p."""
    side = 0 if label == "model" else 1
    names = list(dict.fromkeys(_name(one) for one in comparisons))
    cells = {(one["second"][side], _name(one)): _won(one["paired"][MEASURE]) for one in comparisons}
    lines = [[f"{label}, against the first", *names], ["---"] * (len(names) + 1)]
    lines += [
        [f"`{one}`", *(cells.get((one, name), "") for name in names)]
        for one in dict.fromkeys(one["second"][side] for one in comparisons)
    ]
    return _lines(lines)


def datasets(rows: Rows) -> str:
    """How large each is."""
    sizes = {_name(row): (row["items"], row["photos"]) for row in reversed(rows)}
    lines = [["data set", "items with a photo", "photos"], ["---"] * 3]
    lines += [[f"`{name}`", *map(str, size)] for name, size in reversed(sizes.items())]
    return _lines(lines)


def plot(rows: Rows) -> None:
    """Recall at k of the starter as it was, and as it is."""
    names = list(dict.fromkeys(_name(row) for row in rows))
    figure, axes = plt.subplots(
        1, len(names), figsize=(3 * len(names), 3), sharey=True, layout="constrained"
    )
    for name, axis in zip(names, axes, strict=True):
        for row in (row for row in rows if _name(row) == name):
            axis.plot(range(1, 11), row["curve"][:10], label=row["model"], linewidth=1)
        axis.set(title=name, xlabel="k", ylim=(0, 1.02))
    axes[0].set(ylabel="recall at k")
    axes[-1].legend(fontsize=7)
    mpl.rcParams["svg.hashsalt"] = "evaluation"
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


def _name(row: dict[str, Any]) -> str:
    return Path(row["dataset"]).name


def cell(measure: dict[str, float]) -> str:
    """Value and interval."""
    return f"{measure['value']:.3f} ({measure['low']:.2f}-{measure['high']:.2f})"


def _won(paired: dict[str, float]) -> str:
    return f"{paired['won']} won, {paired['lost']} lost, p {paired['p']:.2g}"


def _lines(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
