"""Runs a command line and answers its exit code."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial

from rich.console import Console

from clip_ranker.cli import local, remote, show
from clip_ranker.cli.arguments import parser
from clip_ranker.cli.inputs import CliError, UsageError, read_listings, read_photo
from clip_ranker.cli.sheet import sheet
from clip_ranker.errors import ClipRankerError
from clip_ranker.rank.schema import RankRequest

DONE, FAILED, USAGE, NONE_RANKED, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line, that of the process by default; returns the exit code."""
    options = parser().parse_args(arguments)
    people = Console(stderr=True, highlight=False)
    try:
        return _rank(options, people)
    except ClipRankerError as error:
        people.print(f"clip_ranker rank: {error}", style="red", markup=False, soft_wrap=True)
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
    with show.progress(people) as bar:
        advance = partial(bar.advance, bar.add_task("", total=len(listings)))
        if options.url:
            answer = remote.rank(request, advance, url=options.url)
        else:
            answer = asyncio.run(local.rank(request, advance, model=options.model))
    if options.html:
        page = asyncio.run(sheet(request, answer, listings))
        try:
            options.html.write_text(page, encoding="utf-8")
        except OSError as error:
            why = f"cannot be written: {error.strerror}"
            raise CliError(f"--html: {options.html} {why}") from error
    if options.json:
        for entry in show.entries(answer):
            entry.auction_id = listings[int(entry.auction_id)].auction_id
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
    else:
        show.table(answer, listings, Console(highlight=False))
    return NONE_RANKED if listings and not answer.meta.succeeded else DONE
