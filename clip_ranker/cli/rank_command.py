"""Ranks listings by the likeness of their thumbnails to a photo.

PHOTO     a picture file, the URL of one, or example:NAME; several, or folders of pictures, are
          ranked one after the other, or as photos of one item with --same-item
LISTINGS  a JSON file with a list of {"auction_id", "image_url", "title"} (the last one optional),
          or with such a list under "candidates"; a CSV file with these names in its first line;
          or a folder of pictures
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from clip_ranker.cli import service
from clip_ranker.cli.inputs import (
    CliError,
    PhotoError,
    UsageError,
    between,
    photos_of,
    read_listings,
    read_photos,
    share,
    words,
)
from clip_ranker.cli.rankers import Here
from clip_ranker.cli.sheet import sheet
from clip_ranker.cli.show import Ranked, as_json, plain, spreadsheet, table
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest, RankResponse

Rank = Callable[[RankRequest, Callable[[], None]], RankResponse]
"""Of one request; calls what it is given for each listing that is done."""
DONE, FAILED, NONE_RANKED = 0, 1, 3
MOST_TOGETHER = 4  # photos of one item in a request
EXAMPLES = """\
examples:
  clip-ranker rank photo.jpg listings.json --url http://localhost:8000
      asks a running service; the key, if it wants one, is read from CLIP_API_KEY
  clip-ranker rank photo.heic pictures/ --top-k 10
      runs the model in this process, no service needed
  clip-ranker rank front.jpg back.jpg listings.csv --csv ranked.csv
      ranks for each photo, and writes one table for a spreadsheet
  clip-ranker rank front.jpg back.jpg listings.csv --same-item
      a listing counts by the photo that it is most like
  clip-ranker rank photos/ listings.json --url http://localhost:8000 --deadline-ms 5000
      sends each picture of a folder as a photo, and waits five seconds for each at most
  clip-ranker rank photo.jpg pictures/ --html sheet.html
      writes a page that holds its pictures, to look at or to send
  clip-ranker rank photo.jpg listings.json --query-text NTR-001 --json | jq '.results[0]'
      prints what POST /rank answers, of several photos a list; titles with the number count more

exit codes: 0 ranked, 1 it could not be done, 2 wrong usage, 3 not one listing could be ranked
"""


def add_to(commands: Any) -> None:
    """Adds ``rank``."""
    rank = commands.add_parser(
        "rank",
        help="rank listings, or a folder of pictures; `rank --help` tells how",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rank.set_defaults(run=run)
    add = rank.add_argument
    add("photos", metavar="PHOTO", nargs="+")
    add("listings", metavar="LISTINGS", type=Path)
    add("--url", help="ask the service there; without it the model runs in here")
    add("--same-item", action="store_true", help="the photos, up to 4 files, show one item")
    add("--model", help="name of one that `models` lists (default: CLIP_MODEL, or the service's)")
    add("--json", action="store_true", help="print the answer as JSON")
    add("--csv", metavar="FILE", help="write a table for a spreadsheet; - prints it")
    add("--html", type=Path, metavar="FILE", help="write a self-contained page too")
    add("--top-k", type=partial(between, 1, 10**9), metavar="N", help="show N at most")
    add("--query-text", type=words, metavar="WORDS", help="words for the item; titles count then")
    add("--title-weight", type=share, metavar="W", help="how much titles count, 0 to 1")
    add(
        "--deadline-ms",
        type=partial(between, 100, 60_000),
        metavar="MS",
        help="rank what can be ranked in so many milliseconds, 100 to 60000",
    )
    add(
        "--max-concurrency",
        type=partial(between, 1, 50),
        default=10,
        metavar="N",
        help="download N at once, 1 to 50 (default: 10)",
    )
    add(
        "--image-resize",
        type=partial(between, 224, 2048),
        default=768,
        metavar="PX",
        help="longest side before the model's own resize, 224 to 2048 (default: 768)",
    )


def run(options: argparse.Namespace, people: Console) -> int:
    """Ranks for each photo; returns the exit code."""
    photos, listings = photos_of(options.photos), read_listings(options.listings)
    queries = [photos] if options.same_item else [[photo] for photo in photos]
    if len(photos) > MOST_TOGETHER and options.same_item:
        raise UsageError(f"--same-item goes with {MOST_TOGETHER} photos at most, not {len(photos)}")
    if options.html and len(photos) > 1:
        raise UsageError("--html shows one photo: give one at a time")
    ranked: list[Ranked] = []
    columns = (TextColumn("ranking"), BarColumn(), MofNCompleteColumn())
    with (
        _ranker(options, people) as rank,
        Progress(*columns, console=people, transient=True, disable=not people.is_terminal) as bar,
    ):
        task = bar.add_task("", total=len(queries) * len(listings))
        for number, query in enumerate(queries):
            photo = ", ".join(query)
            try:
                request = _request(query, listings, options)
                ranked.append(Ranked(photo, rank(request, partial(bar.advance, task))))
            except CliError as error:
                of_the_photo = isinstance(error, PhotoError)
                if len(queries) == 1 or not (of_the_photo or ranked):
                    raise
                _tell(people, f"{photo}: {error}")
                if not of_the_photo:  # the next would fare no better
                    if left := len(queries) - number - 1:
                        _tell(people, f"photos that were not tried: {left}")
                    break
            bar.update(task, completed=(number + 1) * len(listings))
    if options.html:
        _write(options.html, "--html", asyncio.run(sheet(request, ranked[0].answer, listings)))
    if options.csv and options.csv != "-":
        # A byte order mark: without it Excel takes Japanese for something else.
        _write(Path(options.csv), "--csv", "\ufeff" + spreadsheet(ranked, listings))
    elif options.csv:
        sys.stdout.write(spreadsheet(ranked, listings))
    if options.json:
        sys.stdout.write(as_json(ranked, listings, several=len(queries) > 1) + "\n")
    elif not options.csv:
        for photo, answer in ranked:
            console = Console(highlight=False)
            if len(queries) > 1:
                console.print(plain(photo), style="bold", markup=False, soft_wrap=True)
            table(answer, listings, console)
    if len(ranked) < len(queries):
        return FAILED
    return DONE if not listings or any(one.answer.meta.succeeded for one in ranked) else NONE_RANKED


@contextmanager
def _ranker(options: argparse.Namespace, people: Console) -> Iterator[Rank]:
    """By the service at ``--url``, or in this process."""
    if options.url and not options.listings.is_dir():
        yield partial(service.ask, url=options.url)
        return
    with Here(options.model) as here:
        if options.url:
            said = f"no service can open {options.listings}, which is here: ranking here, with the"
            people.print(plain(f"{said} model {here.model}"), markup=False, soft_wrap=True)
        yield here.rank


def _request(
    photos: Sequence[str], listings: list[Candidate], options: argparse.Namespace
) -> RankRequest:
    # Not validated again: the number of candidates is bounded for a service's sake.
    return RankRequest.model_construct(
        **read_photos(photos),
        candidates=[  # with positions for ids: an answer names listings by id, which may repeat
            listing.model_copy(update={"auction_id": str(place)})
            for place, listing in enumerate(listings)
        ],
        query_text=options.query_text,
        title_weight=options.title_weight,
        top_k=options.top_k,
        deadline_ms=options.deadline_ms,
        max_concurrency=options.max_concurrency,
        image_resize=options.image_resize,
        model=options.model,
    )


def _tell(people: Console, fault: str) -> None:
    people.print(plain(f"clip-ranker rank: {fault}"), style="red", markup=False, soft_wrap=True)


def _write(file: Path, option: str, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise CliError(f"{option}: {file} cannot be written: {error.strerror}") from error
