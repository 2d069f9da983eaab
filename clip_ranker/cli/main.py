"""Ranks listings by the likeness of their thumbnails to a photo.

PHOTO     a picture file, the URL of one, or example:NAME
LISTINGS  a JSON file with a list of {"auction_id", "image_url", "title"} (the last one optional),
          or with such a list under "candidates"; or a folder of pictures
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from clip_ranker import __version__
from clip_ranker.cli import rankers
from clip_ranker.cli.evaluate import options as evaluate
from clip_ranker.cli.inputs import CliError, UsageError, read_listings, read_photo
from clip_ranker.cli.sheet import sheet
from clip_ranker.cli.show import plain, plain_json, table
from clip_ranker.errors import ClipRankerError
from clip_ranker.rank.schema import Failure, RankRequest, Result

EXAMPLES = """\
examples:
  python -m clip_ranker rank photo.jpg listings.json --url http://localhost:8000
      asks a running service; the key, if it wants one, is read from CLIP_API_KEY
  python -m clip_ranker rank photo.heic pictures/ --top-k 10
      runs the model in this process, no service needed; a folder goes this way only
  python -m clip_ranker rank photo.jpg pictures/ --html sheet.html
      writes a page that holds its pictures, to look at or to send
  python -m clip_ranker rank photo.jpg listings.json --json | jq '.results[0]'
      prints what POST /rank answers

exit codes: 0 ranked, 1 it could not be done, 2 wrong usage, 3 not one listing could be ranked
"""
Run = Callable[[argparse.Namespace, Console], int]
"""A command: what was typed, and where to talk to people; answers the exit code."""
DONE, FAILED, USAGE, NONE_RANKED, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line, that of the process by default; returns the exit code."""
    options = _parser().parse_args(arguments)
    people = Console(stderr=True, highlight=False)
    try:
        run: Run = options.run
        return run(options, people)
    except ClipRankerError as error:
        said = plain(f"clip_ranker {options.command}: {error}")
        people.print(said, style="red", markup=False, soft_wrap=True)
        return USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _rank(options: argparse.Namespace, people: Console) -> int:
    if options.url and options.model:
        raise UsageError("--model goes without --url: a service has chosen its model")
    if options.url and options.listings.is_dir():
        raise UsageError("a folder of pictures is ranked in this process: leave --url out")
    photo, listings = read_photo(options.photo), read_listings(options.listings)
    # Not validated again: the number of candidates is bounded for a service's sake.
    request = RankRequest.model_construct(
        **photo,
        candidates=[  # with positions for ids: an answer names listings by id, which may repeat
            listing.model_copy(update={"auction_id": str(place)})
            for place, listing in enumerate(listings)
        ],
        top_k=options.top_k,
        max_concurrency=options.max_concurrency,
        image_resize=options.image_resize,
    )
    columns = (TextColumn("ranking"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=people, transient=True, disable=not people.is_terminal) as bar:
        advance = partial(bar.advance, bar.add_task("", total=len(listings)))
        if options.url:
            answer = rankers.ask(request, advance, url=options.url)
        else:
            answer = asyncio.run(rankers.rank(request, advance, model=options.model))
    if options.html:
        page = asyncio.run(sheet(request, answer, listings))
        try:
            options.html.write_text(page, encoding="utf-8")
        except OSError as error:
            why = f"cannot be written: {error.strerror}"
            raise CliError(f"--html: {options.html} {why}") from error
    if options.json:
        for entry in chain[Result | Failure](answer.results, answer.failed):
            entry.auction_id = listings[int(entry.auction_id)].auction_id
        sys.stdout.write(plain_json(answer.model_dump_json(indent=2, exclude_none=True)) + "\n")
    else:
        table(answer, listings, Console(highlight=False))
    return NONE_RANKED if listings and not answer.meta.succeeded else DONE


class _Parser(argparse.ArgumentParser):
    """One whose complaints quote what was typed, or what a pattern of the shell made of it."""

    def error(self, message: str) -> NoReturn:
        """Prints the usage and the complaint, and ends the process."""
        super().error(plain(message))


def _parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="python -m clip_ranker",
        description="Ranks listings by likeness to a photo, and judges how well.",
        epilog="`import --help` tells how a model gets into the store; that needs torch.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="command")
    rank = commands.add_parser(
        "rank",
        help="rank listings, or a folder of pictures; `rank --help` tells how",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rank.set_defaults(run=_rank)
    evaluate.add_to(commands)
    add = rank.add_argument
    add("photo", metavar="PHOTO")
    add("listings", metavar="LISTINGS", type=Path)
    add("--url", help="ask the service there; without it the model runs in here")
    add("--model", help="name in the BentoML store, without --url (default: CLIP_MODEL)")
    add("--json", action="store_true", help="print the answer as JSON")
    add("--html", type=Path, metavar="FILE", help="write a self-contained page too")
    add("--top-k", type=partial(_between, 1, 10**9), metavar="N", help="show N at most")
    add(
        "--max-concurrency",
        type=partial(_between, 1, 50),
        default=10,
        metavar="N",
        help="download N at once, 1 to 50 (default: 10)",
    )
    add(
        "--image-resize",
        type=partial(_between, 224, 2048),
        default=768,
        metavar="PX",
        help="longest side before the model's own resize, 224 to 2048 (default: 768)",
    )
    return top


def _between(least: int, most: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
    return value
