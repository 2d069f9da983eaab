"""Judges whether models rank right, on photographs of which the right answer is known.

DATASET   a folder, or a CSV file, several if you like

A folder holds a folder an item, with one or more photos and one or more listings of the same thing;
the listings of all other items are what they may be mistaken for:
  items/red-cup/query.jpg   items/red-cup/listing-1.jpg   items/red-cup/listing-2.jpg
  items/blue-cup/query.jpg  items/blue-cup/listing.jpg    …

A title of listing-1.jpg stands beside it in listing-1.txt, words for query.jpg in query.txt; they
count with the settings titles and so on.

A CSV file has the columns query, candidate, relevant (1 or 0); paths are relative to the file, and
a photo is held against the candidates that are listed with it.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from clip_ranker.cli.inputs import CliError, UsageError
from clip_ranker.evaluate.setting import SETTINGS

CACHE = Path(".cache/evaluate")
ALL = "all"
LEAST_LISTINGS = 2
NEEDED = ("ir_measures", "scipy", "skimage", "sklearn")
"""Of the extra ``evaluate``."""
EXAMPLES = """\
settings (the first one named is what others are compared with):
{settings}
  all           every one of them

examples:
  clip-ranker evaluate photos/
      every model in the store as the service runs it
  clip-ranker evaluate photos/ pairs.csv --model openclip_vit_b32 \\
      --setting centre --setting photo-views --html report.html
      does it help to embed three views of the photo? with curves and the worst mistakes
  clip-ranker evaluate --from-log feedback/ --json report.json
      what people said of answers of the service (CLIP_FEEDBACK_DIR)
  clip-ranker evaluate photos/ --calibrate
      what a score means: from then on answers of the service say `match` and `probability`

Vectors are kept in --cache: a run that was stopped goes on where it was, a second one is quick.
An interval is a bootstrap over items, 95 %. recall@k is the share of photos with a right listing
among the first k. Wrong listings win ties.

exit codes: 0 judged, 1 it could not be done or no model be calibrated, 2 wrong usage
"""


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Adds the command to a command line."""
    width = 14
    settings = "\n".join(f"  {name:<{width}}{one.about}" for name, one in SETTINGS.items())
    parser = commands.add_parser(
        "evaluate",
        help="judge how well models rank; `evaluate --help` tells how",
        description=__doc__,
        epilog=EXAMPLES.format(settings=settings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_run)
    add = parser.add_argument
    add("datasets", metavar="DATASET", type=Path, nargs="*")
    add("--from-log", type=Path, metavar="PATH", help="feedback log, a file or its folder")
    add(
        "--model",
        action="append",
        metavar="NAME",
        help="name in the BentoML store, several if you like (default: all that are there)",
    )
    add(
        "--setting",
        action="append",
        choices=[*SETTINGS, ALL],
        metavar="NAME",
        help="what to try, several if you like (default: centre)",
    )
    add(
        "--calibrate",
        action="store_true",
        help="fit the probability that a listing is the same item, and store it with the model",
    )
    add(
        "--precision-same",
        type=_share,
        default=0.95,
        metavar="P",
        help="of listings called `same`, the share that has to be right (default: 0.95)",
    )
    add(
        "--listings",
        type=_listings,
        default=50,
        metavar="N",
        help="of a search, one of them right, that calibrating reckons with (default: 50)",
    )
    add("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    add("--html", type=Path, metavar="FILE", help="write a self-contained page")
    add(
        "--cache",
        type=Path,
        default=CACHE,
        metavar="FOLDER",
        help=f"where vectors are kept (default: {CACHE})",
    )
    add("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: 0)")


def _run(options: argparse.Namespace, people: Console) -> int:
    if not options.datasets and options.from_log is None:
        raise UsageError("give at least one DATASET, or --from-log")
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise CliError(
            f"the package {missing[0]} is missing: .venv/bin/pip install -e '.[evaluate]' brings "
            "what judging needs"
        )
    # Only here: the service, and ranking from a terminal, do without these packages.
    from clip_ranker.cli.evaluate.command import run

    return run(options, people)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _listings(text: str) -> int:
    if not text.isdecimal() or int(text) < LEAST_LISTINGS:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from {LEAST_LISTINGS} on")
    return int(text)
