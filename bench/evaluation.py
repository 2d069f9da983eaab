"""Writes what was judged into ``docs/evaluation.md``, between marks."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import setting_costs
from clip_ranker.evaluate import measures

DOCUMENT = Path("docs/evaluation.md")
PLOT = Path("docs/evaluation.svg")
RELIABILITY = Path("docs/reliability.svg")
MEASURE = "recall@1"
Rows = list[dict[str, Any]]


def write(found: dict[str, Any]) -> None:
    """Renews the tables of each part that was judged."""
    text = DOCUMENT.read_text()
    found = dict(found)
    if costs := found.pop("costs", None):
        text = between(text, "costs", setting_costs.table(costs))
    if fitted := found.pop("bands", None):
        text = between(text, "bands", bands(fitted))
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


def bands(parts: Rows) -> str:
    """Thresholds of each calibration, and how they do on what they were not fitted on."""
    heads = ["fitted on", "right, wrong pairs", "curve", "`same` from", "its precision"]
    heads += ["right ones `same`", "twins both `same`", "`similar` from", "right ones `different`"]
    lines = [heads, ["---"] * len(heads)]
    for part in parts:
        fitted = part["calibrated"]
        same, similar = fitted["calibration"]["same"], fitted["calibration"]["similar"]
        lines.append(
            [
                f"{part['name']}: {', '.join(f'`{name}`' for name in part['data'])}",
                f"{part['right']}, {part['wrong']}",
                fitted["method"],
                "no such band" if same is None else f"{same:.3f}",
                "" if fitted["precision"] is None else f"{fitted['precision']:.3f}",
                "" if same is None else f"{fitted['same']:.3f}",
                "" if same is None else f"{part['twins_same']} of {part['twins']}",
                "no such band" if similar is None else f"{similar:.3f}",
                f"{fitted['different']:.3f}",
            ]
        )
    said = [f"- {part['name']}: {part['calibrated']['said']}." for part in parts]
    plot = f"![Share that is right, by probability, of each calibration]({RELIABILITY.name})"
    return "\n".join([_lines(lines), "", *said, "", plot])


def _name(row: dict[str, Any]) -> str:
    return Path(row["dataset"]).name


def cell(measure: dict[str, float]) -> str:
    """Value and interval."""
    return f"{measure['value']:.3f} ({measure['low']:.2f}-{measure['high']:.2f})"


def recall(values: measures.Values) -> str:
    """Recall at 1 of what was judged, and its interval."""
    return cell(asdict(measures.means(values, seed=0)[MEASURE]))


def won_since(before: measures.Values, after: measures.Values) -> str:
    """Items that the second won and lost against the first, by recall at 1."""
    return _won(asdict(measures.paired(before, after)[MEASURE]))


def put(mark: str, rows: list[list[str]]) -> None:
    """Writes a table into the document, between the marks; its first row is its head."""
    new = _lines([rows[0], ["---"] * len(rows[0]), *rows[1:]])
    DOCUMENT.write_text(between(DOCUMENT.read_text(), mark, new))


def _won(paired: dict[str, float]) -> str:
    return f"{paired['won']} won, {paired['lost']} lost, p {paired['p']:.2g}"


def _lines(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
