"""What an evaluation found, on a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clip_ranker.cli.show import plain
from clip_ranker.evaluate.calibrate import Calibrated
from clip_ranker.evaluate.measures import Measure
from clip_ranker.evaluate.report import Comparison, Report, Row

MOST_FAULTS = 20
"""Named on the terminal; the JSON names all."""


def show(found: Report, console: Console) -> None:
    """Prints a table for each data set and model, and below it the comparisons."""
    for dataset, model in dict.fromkeys((row.dataset, row.model) for row in found.rows):
        rows = [row for row in found.rows if (row.dataset, row.model) == (dataset, model)]
        about = f"{dataset}, {model}: {rows[0].photos} photos of {rows[0].items} items"
        console.print(Text(plain(about), "bold"), soft_wrap=True)
        console.print(_table(rows))
        for one in found.comparisons:
            if (one.dataset, one.second[0]) == (dataset, model):
                console.print(Text(plain(against(one)), "dim"), soft_wrap=True)
        console.print()
    for fitted in found.calibrations:
        console.print(Text(plain(calibrated(fitted))), soft_wrap=True)


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("setting", no_wrap=True)
    for name in (*rows[0].measures, "AUC", "s/photo", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cost = row.photo_cost
        table.add_row(
            row.setting,
            *map(_cell, row.measures.values()),
            "" if row.auc is None else number(row.auc),
            f"{cost.seconds:.3f}" if cost else "",
            f"{cost.peak_bytes / 1e6:.0f}" if cost else "",
        )
    return table


def _cell(measure: Measure) -> Text:
    low, high = (number(bound, places=2) for bound in (measure.low, measure.high))
    return Text(number(measure.value)).append(f"\n{low}-{high}", "dim")


def against(one: Comparison) -> str:
    """The comparison in words."""
    second, first = (
        pair[1] if one.first[0] == one.second[0] else " ".join(pair)
        for pair in (one.second, one.first)
    )
    result = one.paired["recall@1"]
    more = f"{second} against {first}: {result.won} items won, {result.lost} lost"
    return f"{more} (right listing first), p = {result.p:.2g}"


def calibrated(one: Calibrated) -> str:
    """The calibration in words."""
    losses = ", ".join(f"{name} {loss:.4f}" for name, loss in one.log_loss.items())
    precision = "none" if one.precision is None else f"{one.precision:.3f}"
    return (
        f"calibrated {one.model}: {one.said}; {one.method} (log loss on held-out items: {losses}); "
        f"on held-out items {one.same:.0%} of the right listings are `same`, with a precision of "
        f"{precision}, and {one.different:.0%} are `different`"
    )


def number(value: float, *, places: int = 3) -> str:
    """Between 0 and 1: ``.948``; 1 as ``1.00``."""
    text = f"{value:.{places}f}"
    return text[1:] if text.startswith("0.") else text[: places + 1]


def tell_faults(found: Report, people: Console) -> None:
    """Names what was left out, and counts it."""
    if not found.faults:
        return
    for one in found.faults[:MOST_FAULTS]:
        said = plain(f"  {one.what}: {one.why}")
        people.print(Text("left out", "red").append(said, "default"), soft_wrap=True)
    more = len(found.faults) - MOST_FAULTS
    rest = f", {more} more of them are in the JSON" if more > 0 else ""
    people.print(f"{len(found.faults)} left out{rest}", style="dim")
