"""What looking for slips costs, counted: it is done before a request is known to be one."""

from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import ValidationError

from clip_ranker.rank import lenient
from clip_ranker.rank.schema import RankRequest

LISTING = {"auction_id": "A", "image_url": "example:cat"}


class Counts:
    """Names that are compared, and characters of names that are looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.compared = self.characters = 0
        bare, matches = lenient._bare, lenient.get_close_matches

        def counted_bare(name: str) -> str:
            self.characters += len(name)
            return bare(name)

        def counted_matches(word: str, others: Iterable[str], *more: Any) -> list[str]:
            names = list(others)
            self.compared += len(names)
            return matches(word, names, *more)

        monkeypatch.setattr(lenient, "_bare", counted_bare)
        monkeypatch.setattr(lenient, "get_close_matches", counted_matches)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    return Counts(monkeypatch)


def errors(**request: Any) -> list[dict[str, Any]]:
    """Each fault that a request has, with where it is."""
    try:
        RankRequest.model_validate({"query_image_url": "example:cat"} | request)
    except ValidationError as error:
        return [{**fault} for fault in error.errors()]
    return []


def test_nothing_is_compared_where_nothing_is_missing(counts: Counts) -> None:
    listing = LISTING | {f"auction_i{n}": n for n in range(25)}
    assert errors(candidates=[listing] * 200) == []
    assert counts.compared == 0
    assert counts.characters < 2000  # of the request's own names


def test_long_names_are_not_looked_at(counts: Counts) -> None:
    long = {f"{n}{'auction_id' * 5_000}": n for n in range(30)}
    assert errors(candidates=[LISTING | long, long], **long)
    assert counts.compared == 0
    assert counts.characters < 2000


def test_of_many_names_a_few_are_looked_at(counts: Counts) -> None:
    names = {f"auction_{n}": n for n in range(20_000)}
    assert errors(candidates=[names], **names)
    assert counts.compared < 1000
    assert counts.characters < 20_000


def test_slips_are_looked_for_in_the_first_listings_alone(counts: Counts) -> None:
    mistyped = {"auctoin": "A", "imgae_url": "example:cat"}
    [fault] = errors(candidates=[mistyped] * 12_000)
    assert fault["type"] == "too_long"
    assert counts.compared < 100
    assert counts.characters < 50_000  # as many listings as are read before the bound is reached


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("auctoin_id", "auction_id"),
        ("auction__Id_", "auction_id"),
        ("product_id", "auction_id"),
    ],
)
def test_a_slip_is_told_with_the_position_of_its_listing(typed: str, meant: str) -> None:
    [fault] = errors(candidates=[LISTING, {typed: "B", "image_url": "example:cat"}])
    assert fault["loc"] == ("candidates", 1)
    assert fault["msg"].endswith(f"{typed}: did you mean {meant}?")


def test_the_nearest_of_several_is_told() -> None:
    [fault] = errors(query_image_url=None, qeury_images_base64=["x"], candidates=[])
    assert "did you mean query_images_base64?" in fault["msg"]
