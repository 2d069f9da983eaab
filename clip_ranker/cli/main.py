"""Runs a command line and answers its exit code."""

import argparse
import base64
import sys
from collections.abc import Sequence

from rich.console import Console

from clip_ranker.cli import local, remote, show
from clip_ranker.cli.arguments import parser
from clip_ranker.cli.inputs import CliError, UsageError, read_listings, read_photo
from clip_ranker.cli.sheet import sheet
from clip_ranker.errors import ClipRankerError
from clip_ranker.rank.schema import Failure, RankRequest, RankResponse, Result

DONE, FAILED, USAGE, NONE_RANKED, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Ranks as the command line says.

    Args:
        arguments: without the program's name; those of this process when left out.

    Returns:
        The exit code, as ``rank --help`` documents it.
    """
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
    request = _request(options)
    with show.progress(len(request.candidates), people) as advance:
        if options.url:
            answer = remote.rank(_numbered(request), advance, url=options.url, key=options.key)
        else:
            answer = local.rank(_numbered(request), advance, model=options.model)
    if options.html:
        _write(options, request, answer)
    if options.json:
        _name(answer, request)
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
    else:
        show.table(answer, request.candidates, Console(highlight=False))
    return NONE_RANKED if request.candidates and not answer.meta.succeeded else DONE


def _request(options: argparse.Namespace) -> RankRequest:
    # Not validated again: the number of candidates is bounded for a service's sake.
    return RankRequest.model_construct(
        **read_photo(options.photo),
        candidates=read_listings(options.listings),
        top_k=options.top_k,
        max_concurrency=options.max_concurrency,
        image_resize=options.image_resize,
    )


def _numbered(request: RankRequest) -> RankRequest:
    """The same with positions for ids, which may repeat: an answer names listings by id only."""
    numbered = [
        candidate.model_copy(update={"auction_id": str(place)})
        for place, candidate in enumerate(request.candidates)
    ]
    return request.model_copy(update={"candidates": numbered})


def _name(answer: RankResponse, request: RankRequest) -> None:
    entries: list[Result | Failure] = [*answer.results, *answer.failed]
    for entry in entries:
        entry.auction_id = request.candidates[int(entry.auction_id)].auction_id


def _write(options: argparse.Namespace, request: RankRequest, answer: RankResponse) -> None:
    text = request.query_image_base64
    page = sheet(request, answer, base64.b64decode(text) if text else None)
    try:
        options.html.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CliError(f"--html: {options.html} cannot be written: {error.strerror}") from error
