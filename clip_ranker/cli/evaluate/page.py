"""What an evaluation found, as a page that holds everything it shows."""

from functools import cache
from html import escape
from pathlib import Path
from string import Template

from clip_ranker.cli.evaluate import chart
from clip_ranker.cli.evaluate.table import calibrated, number
from clip_ranker.cli.sheet import thumbnail
from clip_ranker.errors import CandidateError
from clip_ranker.evaluate.calibrate import Calibrated
from clip_ranker.evaluate.cost import Cost
from clip_ranker.evaluate.data import Fault
from clip_ranker.evaluate.measures import Measure
from clip_ranker.evaluate.report import Comparison, Mistake, Report, Row

PAGE = Template(Path(__file__).with_suffix(".html").read_text())
PICTURE_PX = 160
MOST_FAULTS = 200


def page(found: Report) -> str:
    """The page as HTML; pictures that cannot be had are left out."""
    names = dict.fromkeys(row.dataset for row in found.rows)
    return PAGE.substitute(
        datasets="\n".join(_dataset(name, found) for name in names),
        calibrations="\n".join(map(_calibration, found.calibrations)),
        faults=_faults(found.faults),
    )


def _dataset(name: str, found: Report) -> str:
    rows = [row for row in found.rows if row.dataset == name]
    compared = [one for one in found.comparisons if one.dataset == name]
    longest = len(rows[0].curve)
    curves = [(_title(row), list(enumerate(row.curve, start=1))) for row in rows]
    recall = chart.lines(
        curves, x=[1, *range(5, longest + 1, 5)], labels=("the first k", "recall at k")
    )
    return (
        f"<h2>{escape(name)}</h2><p>{rows[0].photos} photos of {rows[0].items} items</p>"
        f'<div class="wide" tabindex="0">{_figures(rows)}</div><h3>Recall at k</h3>{recall}'
        f"{_comparisons(compared)}{''.join(map(_mistakes, rows))}"
    )


def _title(row: Row) -> str:
    return f"{row.model}, {row.setting}"


def _figures(rows: list[Row]) -> str:
    heads = ["model", "setting", *rows[0].measures, "AUC", "s a photo", "s a listing", "peak MB"]
    lines = [_row(heads, "th")]
    for row in rows:
        cells = [
            escape(row.model),
            escape(row.setting),
            *map(_measure, row.measures.values()),
            "" if row.auc is None else number(row.auc),
            _seconds(row.photo_cost),
            _seconds(row.listing_cost),
            f"{row.photo_cost.peak_bytes / 1e6:.0f}" if row.photo_cost else "",
        ]
        lines.append(_row(cells, "td"))
    return f"<table>{''.join(lines)}</table>"


def _row(cells: list[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"


def _measure(one: Measure) -> str:
    return f"{number(one.value)}<small>{number(one.low)} to {number(one.high)}</small>"


def _seconds(cost: Cost | None) -> str:
    return f"{cost.seconds:.3f}" if cost else ""


def _comparisons(compared: list[Comparison]) -> str:
    if not compared:
        return ""
    lines = [_row(["model, setting", "against", "by", "items won", "lost", "tied", "p"], "th")]
    for one in compared:
        for name, result in one.paired.items():
            pairs = [escape(", ".join(pair)) for pair in (one.second, one.first)]
            counts = [str(count) for count in (result.won, result.lost, result.tied)]
            lines.append(_row([*pairs, escape(name), *counts, f"{result.p:.2g}"], "td"))
    table = f'<div class="wide" tabindex="0"><table>{"".join(lines)}</table></div>'
    about = "p is of a two-sided sign test; of twenty comparisons one is below 0.05 by chance."
    return f"<h3>Item by item</h3>{table}<p>{about}</p>"


def _mistakes(row: Row) -> str:
    if not row.mistakes:
        return ""
    cards = "".join(map(_mistake, row.mistakes))
    return (
        f"<details><summary>{escape(_title(row))}: {row.mistaken} photos with a wrong listing "
        f"first, the {len(row.mistakes)} worst</summary><ol>{cards}</ol></details>"
    )


def _mistake(one: Mistake) -> str:
    return (
        f"<li>{_figure(one.photo, 'photo')}"
        f"{_figure(one.right, f'right, {one.right_score:.3f}, rank {one.rank}')}"
        f"{_figure(one.preferred, f'preferred, {one.preferred_score:.3f}')}</li>"
    )


def _figure(name: str, said: str) -> str:
    source = _picture(name)
    picture = f'<img alt="" src="{source}">' if source else ""
    short = "/".join(Path(name).parts[-2:])
    return f"<figure>{picture}{said}<small>{escape(short)}</small></figure>"


@cache
def _picture(name: str) -> str:
    """As a ``data:`` URL; nothing where there was a vector only, or the file is gone."""
    try:
        return thumbnail(Path(name).read_bytes(), longest_px=PICTURE_PX)
    except (OSError, CandidateError):
        return ""


def _calibration(one: Calibrated) -> str:
    known = [(each.predicted, each.observed) for each in one.reliability]
    reliability = chart.lines(
        [("perfect", [(0, 0), (1, 1)]), ("on held-out items", known)],
        x=[0, 0.25, 0.5, 0.75, 1],
        labels=("probability", "share that is right"),
    )
    lines = [_row(["probability", "share that is right", "right pairs", "wrong pairs"], "th")]
    for each in one.reliability:
        figures = [number(each.predicted), number(each.observed)]
        lines.append(_row([*figures, str(each.right), str(each.wrong)], "td"))
    return (
        f"<h2>What a score of {escape(one.model)} means</h2><p>{escape(calibrated(one))}.</p>"
        f"<p>Fitted on {escape(one.calibration.fitted_on)}.</p>{reliability}"
        f'<div class="wide" tabindex="0"><table>{"".join(lines)}</table></div>'
    )


def _faults(faults: list[Fault]) -> str:
    if not faults:
        return ""
    lines = [f"<li>{escape(one.what)}: {escape(one.why)}</li>" for one in faults[:MOST_FAULTS]]
    return f"<h2>{len(faults)} left out</h2><ul>{''.join(lines)}</ul>"
