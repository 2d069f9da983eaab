"""The second look at the first listings, point by point."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageOps

from clip_ranker.decode.points import POINT, find
from clip_ranker.errors import NotAnImageError
from clip_ranker.evaluate.retake import retake
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.local_features import (
    FIRST,
    LEAST_POINTS,
    agreeing,
    first_pictures,
    look_again,
)
from clip_ranker.rank.schema import RankRequest
from clip_ranker.rank.scores import in_order
from tests.photos import picture

NAMES = ("cat", "coffee", "motorcycle", "rocket")


@cache
def points(name: str, seed: int | None = None) -> bytes:
    """Of a photograph, or of another photo of it as a phone takes it."""
    image = picture(name)
    return find(image if seed is None else retake(image, "middle", seed))


@pytest.mark.parametrize("name", NAMES)
def test_another_photo_of_the_same_agrees_and_no_other_does(name: str) -> None:
    for seed in range(2):
        agree = {one: agreeing(points(name, seed), points(one)) for one in NAMES}
        assert agree[name] >= LEAST_POINTS
        assert [one for one, count in agree.items() if count] == [name]
    assert agreeing(points(name), points(name)) > 10 * LEAST_POINTS


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_points_agree_in_every_direction(quarters: int) -> None:
    turned = picture("cat").rotate(90 * quarters, expand=True)
    assert agreeing(find(turned), points("cat")) > 10 * LEAST_POINTS


def test_the_mirror_image_does_not_agree() -> None:
    mirrored = find(ImageOps.mirror(picture("cat")))
    assert agreeing(mirrored, points("cat")) == 0


def test_the_same_two_always_agree_as_much_in_any_thread() -> None:
    pair = points("coffee", 0), points("coffee")
    once = agreeing(*pair)

    def again(seed: int) -> int:
        cv2.setRNGSeed(seed)
        return agreeing(*pair)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(again, range(8))) == {once}


def test_many_points_on_one_count_once() -> None:
    """Else a spot of the listing would pass for the whole photo, drawn together."""
    random = np.random.default_rng(0)
    photo, listing = np.zeros(100, POINT), np.zeros(100, POINT)
    for one in (photo, listing):
        one["place"] = random.integers(0, 480, (100, 2))
        one["described"] = random.integers(0, 256, (100, 32))
    assert agreeing(photo.tobytes(), photo.tobytes()) == 100
    listing["place"][:4] = [(240, 240), (243, 240), (240, 243), (243, 243)]
    corner = (photo["place"] >= 240) @ [1, 2]
    photo["described"] = listing["described"][corner]
    assert agreeing(photo.tobytes(), listing.tobytes()) == 0


some_points = st.builds(
    lambda seed, count, spread, kinds: np.frombuffer(
        np.random.default_rng(seed).integers(0, spread, count * POINT.itemsize, np.uint8)
        if kinds
        else bytes(count * POINT.itemsize),
        POINT,
    ).tobytes(),
    *(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 256), st.booleans()),
)


@settings(max_examples=60)
@given(some_points, some_points)
def test_whatever_was_found_agreement_is_within_bounds(one: bytes, other: bytes) -> None:
    for pair in ((one, other), (one, one), (one, one[: len(one) // 72 * 36] + other)):
        count = agreeing(*pair)
        assert count == 0 or LEAST_POINTS <= count <= min(map(len, pair)) // POINT.itemsize


def test_the_first_are_different_pictures_of_the_best_scores() -> None:
    outcomes: dict[int, Any] = {n: (n * 7 % 40) / 40 for n in range(40)}
    outcomes[3] = NotAnImageError("file_empty")
    groups = {n: n // 2 for n, one in outcomes.items() if isinstance(one, float)}
    first = first_pictures(outcomes, groups)
    assert len(first) == len({groups[n] for n in first}) == FIRST
    scores = [outcomes[n] for n in first]
    assert scores == sorted(scores, reverse=True)
    for n, group in groups.items():
        if n not in first:  # it is a copy of one of them with a better score, or worse than all
            same = [outcomes[one] for one in first if groups[one] == group]
            assert outcomes[n] <= (same[0] if same else scores[-1])


graded = st.lists(st.none() | st.tuples(st.floats(-1, 1), st.integers(0, 4)), max_size=20)


@given(graded, st.none() | st.floats(-1, 1))
def test_points_go_before_the_score_and_change_neither_it_nor_what_is_left_out(
    listed: list[tuple[float, int] | None], least: float | None
) -> None:
    request = RankRequest(
        query_image_url="example:cat",
        candidates=[Candidate(auction_id=n) for n in range(len(listed))],
        min_score=least,
    )
    gone = NotAnImageError("file_empty")
    outcomes = {n: one[0] if one else gone for n, one in enumerate(listed)}
    groups = {n: n for n, one in enumerate(listed) if one}
    agree = {n: one[1] for n, one in enumerate(listed) if one and one[1]}
    plain, _ = in_order(request, outcomes, groups)
    results, _ = in_order(request, outcomes, groups, agreeing=agree)
    assert {one.auction_id: one.score for one in results} == {
        one.auction_id: one.score for one in plain
    }
    keys = [(-(one.agreeing_points or 0), -one.score, one.auction_id) for one in results]
    assert keys == sorted(keys)
    assert [one.rank for one in results] == list(range(1, len(results) + 1))
    assert all(one.agreeing_points == agree.get(int(one.auction_id)) for one in results)


def test_past_the_deadline_nothing_is_said() -> None:
    vector = np.eye(8, dtype=np.float32)[0]
    listings = {0: Embedded(vector, b"", points("cat"))}

    async def looked(in_s: float, *photos: bytes) -> dict[int, int] | None:
        deadline = asyncio.get_running_loop().time() + in_s
        return await look_again(photos, listings, {0: 0.5}, {0: 0}, deadline)

    assert asyncio.run(looked(-1, points("cat"))) is None
    assert asyncio.run(looked(-1)) == {}
    (agree,) = (asyncio.run(looked(1e6, points("rocket"), points("cat"))) or {}).values()
    assert agree == agreeing(points("cat"), points("cat"))
