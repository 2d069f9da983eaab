"""``make evaluate``: builds data sets, judges the starter and all settings, writes the document."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.progress import Progress

from bench import evaluation, starters
from bench.datasets.__main__ import build
from clip_ranker.evaluate import files
from clip_ranker.evaluate.report import Report
from clip_ranker.evaluate.run import Run
from clip_ranker.evaluate.setting import SETTINGS
from clip_ranker.models.store import StoredModel

CACHE = Path(".cache/evaluate")
FOUND = CACHE / "evaluation.json"
DATASETS = ("retaken-middle", "retaken-hard", "other-side", "second-photo")
FITTED = ("fitted-middle", "fitted-hard")
TURNED = ("retaken-turned",)


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.evaluate", description=__doc__)
    add = parser.add_argument
    add("--only", choices=["starter", "settings"], help="a part; the other stays as it was")
    options = parser.parse_args()
    start = time.monotonic()
    found = json.loads(FOUND.read_text()) if FOUND.is_file() else {}
    if options.only != "settings":
        found["starter"] = asdict(run(list(starters.steps()), [*DATASETS, *FITTED], ["centre"]))
    if options.only != "starter":
        settings = [name for name in SETTINGS if name != "turned"]
        judged = run([starters.before()], DATASETS, settings)
        turned = run([starters.before()], [*TURNED, "retaken-middle"], ["centre", "turned"])
        for report in (turned,):
            judged.rows += report.rows
            judged.comparisons += report.comparisons
        found["settings"] = asdict(judged)
    FOUND.parent.mkdir(parents=True, exist_ok=True)
    FOUND.write_text(json.dumps(found, indent=1))
    evaluation.write(found)
    print(f"done in {(time.monotonic() - start) / 60:.1f} minutes: {evaluation.DOCUMENT}")
    return 0


def run(models: Sequence[StoredModel], names: Sequence[str], settings: Sequence[str]) -> Report:
    """Judges all models with all settings on all data sets."""
    doing = Run(
        [files.read(build(name)) for name in names],
        None,
        list(settings),
        CACHE,
        embedder=starters.Embedder,
    )
    with Progress() as bar:
        doing.advance = partial(
            bar.advance, bar.add_task("judging", total=doing.steps(len(models)))
        )
        return doing(models)


if __name__ == "__main__":
    sys.exit(main())
