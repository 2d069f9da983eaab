"""``make evaluate``: builds data sets, judges the starter and all settings, writes the document."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from rich.progress import Progress

from bench import bands, evaluation, evaluation_plots, setting_costs, starters
from bench.datasets import objects
from bench.datasets.__main__ import build
from clip_ranker.evaluate import files
from clip_ranker.evaluate.data import Dataset
from clip_ranker.evaluate.report import Report
from clip_ranker.evaluate.run import Run
from clip_ranker.evaluate.setting import SETTINGS
from clip_ranker.models.store import StoredModel

STARTER = "all-1"
CACHE = Path(".cache/evaluate")
FOUND = CACHE / "evaluation.json"
DATASETS = ("retaken-middle", "retaken-hard", "other-side", "second-photo")
FITTED = ("fitted-middle", "fitted-hard")
TURNED = ("retaken-turned",)
TITLES = [name for name, setting in SETTINGS.items() if setting.title_weight]


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.evaluate", description=__doc__)
    add = parser.add_argument
    add(
        "--only",
        choices=["starter", "settings", "costs", "titles", "bands"],
        help="a part; others stay as they were",
    )
    options = parser.parse_args()
    start = time.monotonic()
    found = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
    if options.only in (None, "starter"):
        found["starter"] = asdict(run(list(starters.steps()), [*DATASETS, *FITTED], ["centre"]))
    if options.only in (None, "settings"):
        settings = [name for name in SETTINGS if name not in ("turned", *TITLES)]
        plain = run([starters.before()], DATASETS, settings)
        turned = run([starters.before()], [*TURNED, "retaken-middle"], ["centre", "turned"])
        for report in (turned,):
            plain.rows += report.rows
            plain.comparisons += report.comparisons
        found["settings"] = asdict(plain)
    if options.only in (None, "costs"):
        found["costs"] = setting_costs.measured()
    if options.only in (None, "titles"):
        found["titles"] = asdict(titles())
    if options.only in (None, "bands"):
        model = starters.shipped()
        datasets = [files.read(build(name)) for name in DATASETS]
        found["bands"] = bands.fitted(
            [(one, starters.judge(one, model, CACHE)) for one in datasets]
        )
    FOUND.parent.mkdir(parents=True, exist_ok=True)
    FOUND.write_text(json.dumps(found, indent=1))
    evaluation.write(found)
    evaluation_plots.draw(found)
    print(f"done in {(time.monotonic() - start) / 60:.1f} minutes: {evaluation.DOCUMENT}")
    return 0


def titles() -> Report:
    """Judges the starter, which reads no text, with titles on and off, by kind of words."""
    model = next(step for step in starters.steps() if step.name == STARTER)
    whole = files.read(build("other-side"))
    kinds = [
        replace(
            whole,
            name=words.replace("_", " "),
            queries=[one for one in whole.queries if Path(one.photo).stem == f"query{number}"],
        )
        for number, words in enumerate(objects.WORDS, 1)
    ]
    return judged([model], [*kinds, replace(whole, name="all")], ["centre", *TITLES])


def run(models: Sequence[StoredModel], names: Sequence[str], settings: Sequence[str]) -> Report:
    """Judges all models with all settings on all data sets."""
    return judged(models, [files.read(build(name)) for name in names], settings)


def judged(
    models: Sequence[StoredModel], datasets: Sequence[Dataset], settings: Sequence[str]
) -> Report:
    """The same, of data sets that are read."""
    doing = Run(datasets, None, list(settings), CACHE, embedder=starters.Embedder)
    with Progress() as bar:
        doing.advance = partial(
            bar.advance, bar.add_task("judging", total=doing.steps(len(models)))
        )
        return doing(models)


if __name__ == "__main__":
    sys.exit(main())
