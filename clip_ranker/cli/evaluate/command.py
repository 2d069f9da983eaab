"""Runs ``evaluate``: reads, judges, and shows what was found."""

import argparse
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clip_ranker import __version__
from clip_ranker.cli.evaluate import page, table
from clip_ranker.cli.evaluate.options import ALL
from clip_ranker.cli.inputs import CliError
from clip_ranker.cli.show import plain_json
from clip_ranker.errors import ModelNotFoundError
from clip_ranker.evaluate import files
from clip_ranker.evaluate.data import DataError, Fault
from clip_ranker.evaluate.report import Report
from clip_ranker.evaluate.run import Run
from clip_ranker.evaluate.setting import SERVED, SETTINGS
from clip_ranker.models import store
from clip_ranker.models.store import StoredModel

DONE, FAILED = 0, 1


def run(options: argparse.Namespace, people: Console) -> int:
    """Runs the command; returns the exit code."""
    models = _models(options.model)
    names = list(dict.fromkeys(options.setting or [SERVED]))
    if ALL in names:
        names = list(SETTINGS)
    elif options.calibrate and SERVED not in names:
        names.append(SERVED)
    doing = Run(
        datasets=[files.read(path) for path in dict.fromkeys(options.datasets)],
        log=options.from_log,
        settings=names,
        cache=options.cache,
        seed=options.seed,
    )
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=people, transient=True, disable=not people.is_terminal) as bar:
        doing.advance = partial(bar.advance, bar.add_task("", total=doing.steps(len(models))))
        found = doing(models)
    for stored in models if options.calibrate else ():
        try:
            doing.calibrate(stored, precision=options.precision_same, listings=options.listings)
        except DataError as error:
            found.faults.append(Fault(f"calibrating {stored.name}", str(error)))
    table.show(found, Console(highlight=False))
    table.tell_faults(found, people)
    if options.json:
        _write(options.json, "--json", as_json(found))
    if options.html:
        _write(options.html, "--html", page.page(found))
    return FAILED if options.calibrate and not found.calibrations else DONE


def _models(names: list[str] | None) -> list[StoredModel]:
    """Those named, else all in the store that this version can run."""
    if names:
        return [store.load(name) for name in dict.fromkeys(names)]
    found = []
    for name in store.names():
        try:
            found.append(store.load(name))
        except ModelNotFoundError:
            continue  # somebody else's, or of an older format
    if not found:
        raise CliError("no model in the BentoML store; `python import_model.py --help` tells more")
    return found


def as_json(found: Report) -> str:
    """All figures; null is a figure that there is none of."""
    figures = {"version": __version__, **asdict(found)}
    return plain_json(json.dumps(figures, indent=1, allow_nan=False)) + "\n"


def _write(path: Path, option: str, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{option}: {path} cannot be written: {error.strerror}") from error
