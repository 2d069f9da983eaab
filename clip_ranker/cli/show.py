"""The answer on a terminal, and what makes text from elsewhere harmless there."""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import Failure, RankResponse, Result

FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet would run; in Japan also with the wide characters."""


class Ranked(NamedTuple):
    """A photo as it was named, and the answer for it, in which positions stand for ids."""

    photo: str
    answer: RankResponse


def as_json(ranked: Sequence[Ranked], listings: list[Candidate], *, several: bool) -> str:
    """The answer with the listings' ids; of ``several`` photos a list, each with its photo."""
    for one in ranked:
        for entry in chain[Result | Failure](one.answer.results, one.answer.failed):
            entry.auction_id = listings[int(entry.auction_id)].auction_id
    if not several:
        return plain_json(ranked[0].answer.model_dump_json(indent=2, exclude_none=True))
    answers = [
        {"photo": photo.encode(errors="replace").decode()}
        | answer.model_dump(mode="json", exclude_none=True)
        for photo, answer in ranked
    ]
    return plain_json(json.dumps(answers, ensure_ascii=False, indent=2))


def spreadsheet(ranked: Sequence[Ranked], listings: list[Candidate]) -> str:
    """All answers as one table of CSV (RFC 4180), in which no text is a formula."""
    file = io.StringIO(newline="")
    columns = (
        "photo",
        "rank",
        "score",
        "match",
        "probability",
        "agreeing_points",
        "auction_id",
        "title",
        "image_url",
        "reason",
        "detail",
    )
    rows = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
    rows.writeheader()
    for photo, answer in ranked:
        for entry in chain[Result | Failure](answer.results, answer.failed):
            listing = listings[int(entry.auction_id)].model_dump()
            cells = {"photo": photo} | entry.model_dump() | listing
            rows.writerow({name: _cell(value) for name, value in cells.items()})
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float) or value is None:
        return value
    text = plain(str(value))
    return f"'{text}" if FORMULA.match(text) and not isinstance(value, int) else text


def table(answer: RankResponse, listings: list[Candidate], console: Console) -> None:
    """Prints ranks and scores, then what failed, then one line about the whole.

    The ids in ``answer`` are positions in ``listings``.
    """
    ranks = Table(box=None, pad_edge=False, header_style="dim")
    ranks.add_column("rank", justify="right")
    ranks.add_column("score", justify="right")
    looked_again = any(result.agreeing_points for result in answer.results)
    if looked_again:
        ranks.add_column("points", justify="right")
    grouped = any(result.group for result in answer.results)
    if grouped:
        ranks.add_column("group", justify="right")
    matched = any(result.match for result in answer.results)
    if matched:
        ranks.add_column("match")
    ranks.add_column("listing", overflow="fold")
    titled = any(listing.title for listing in listings)
    if titled:
        ranks.add_column("title", overflow="ellipsis", no_wrap=True, ratio=1)
    for result in answer.results:
        listing = listings[int(result.auction_id)]
        texts = [Text(plain(str(listing.auction_id))), Text(plain(listing.title or ""))]
        group = [str(result.agreeing_points or "")] if looked_again else []
        if grouped:
            group.append(str(result.group or ""))
        if matched:
            group.append(str(result.match or ""))
        ranks.add_row(str(result.rank), f"{result.score:.4f}", *group, *texts[: 1 + titled])
    if answer.results:
        console.print(ranks)
    for failure in answer.failed:
        name = listings[int(failure.auction_id)].auction_id
        why = f"  {name}: {failure.reason}, {failure.detail}"
        console.print(Text("failed", "red").append(plain(why), "default"), soft_wrap=True)
    meta = answer.meta
    seconds = meta.timing_ms.total / 1000
    summary = f"{meta.succeeded} ranked, {meta.failed} failed, {seconds:.1f} s, model {meta.model}"
    console.print(Text(plain(summary), "dim"))


def plain(text: str) -> str:
    """Text from elsewhere, with nothing in it that a terminal would obey; on one line."""
    return "".join(character if _harmless(character) else "�" for character in text)


def plain_json(text: str) -> str:
    """The same JSON, with what a terminal would obey escaped."""
    # A line feed is never part of a string in JSON.
    return "".join(
        character if _harmless(character) or character == "\n" else json.dumps(character)[1:-1]
        for character in text
    )


def _harmless(character: str) -> bool:
    """False for what a terminal obeys, turns round or hides; spaces of any width are shown."""
    return character.isprintable() or unicodedata.category(character) == "Zs"
