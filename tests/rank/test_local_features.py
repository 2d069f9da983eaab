"""The second look at the first listings, point by point."""

import asyncio
import base64
import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from clip_ranker.decode.points import POINT, find
from clip_ranker.errors import NotAnImageError
from clip_ranker.evaluate.retake import retake
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.pictures import EXAMPLES, Pictures
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.local_features import (
    FIRST,
    LEAST_POINTS,
    agreeing,
    first_pictures,
    look_again,
)
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.schema import RankRequest, RankResponse
from clip_ranker.rank.scores import in_order
from clip_ranker.settings import Settings
from tests.photos import PHOTOS, encode, picture

NAMES = ("cat", "coffee", "motorcycle", "rocket")
MODEL = StoredModel(
    "m", Path("m"), Preprocess(8, 8, (0.5,) * 3, (0.5,) * 3), 192, "source", "digest"
)


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
    """Else a spot of the listing would pass for the whole photo."""
    random = np.random.default_rng(0)
    photo, listing = np.zeros(100, POINT), np.zeros(100, POINT)
    for one in (photo, listing):
        one["place"] = random.integers(0, 480, (100, 2))
        one["described"] = random.integers(0, 256, (100, 32))
    assert agreeing(photo.tobytes(), photo.tobytes()) == 100
    photo[:] = photo[0]
    listing[:] = listing[0]
    listing["described"][1:] ^= 255
    photo["described"] = listing["described"][0]
    assert agreeing(photo.tobytes(), listing.tobytes()) == 0


some_points = st.builds(
    lambda seed, count, spread, kinds: np.frombuffer(
        np.random.default_rng(seed).integers(0, 256, count * POINT.itemsize, np.uint8) % spread
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


async def colours(pixels: Pixels) -> Embedding:
    """A model that sees nothing but where which colour is."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def ranked(listings: list[Candidate], *, on: bool = True, **body: Any) -> RankResponse:
    async def rank() -> RankResponse:
        pictures = Pictures(MODEL, Settings(local_features=on), colours, FILES)
        try:
            request = RankRequest(candidates=listings, **body)
            async with Ranking(request, pictures, timeout_s=600) as ranking:
                async for _ in ranking.events():
                    pass
            return ranking.answer()
        finally:
            await pictures.close()

    return asyncio.run(rank())


def framed(colour: str) -> bytes:
    """The cat, half as large, in so wide a frame that this is what the model sees."""
    small = picture("cat").reduce(2)
    return encode(ImageOps.expand(small, 150, colour), "PNG")


KINDS = {
    "like": encode(picture("cat").resize((4, 4)).resize((400, 266)), "PNG"),  # in its colours
    "in blue": framed("blue"),
    "in red": framed("red"),
    "one colour": encode(Image.new("RGB", (400, 300), "white"), "PNG"),
    "tiny": encode(picture("coffee").resize((9, 9)), "PNG"),
    "drawn": encode(ImageOps.expand(Image.new("RGB", (300, 200), "navy"), 50, "gold"), "PNG"),
}
FILES = {**EXAMPLES, "file:": lambda url: KINDS[url.removeprefix("file:")]}
FRAMED = {"in red", "in blue"}
LISTED = [Candidate(auction_id=name, image_url=f"file:{name}") for name in KINDS]
CAT = base64.b64encode(PHOTOS["cat"]).decode()


def test_the_very_thing_goes_first_whatever_its_score_and_without_the_setting_does_not() -> None:
    plain = ranked(LISTED, on=False, query_image_base64=CAT)
    assert plain.results[0].auction_id == "like"
    assert "agreeing_points" not in plain.model_dump_json(exclude_none=True)
    again = ranked(LISTED, query_image_base64=CAT)
    best = {one.auction_id: one.agreeing_points for one in again.results if one.agreeing_points}
    assert set(best) == FRAMED
    assert [one.auction_id for one in again.results][:3] == [*best, "like"]
    assert not again.meta.partial
    scores = [{one.auction_id: one.score for one in answer.results} for answer in (plain, again)]
    assert scores[0] == scores[1]
    assert ranked(LISTED, query_image_base64=CAT, top_k=1).results == again.results[:1]
    least = scores[0]["like"]
    left = ranked(LISTED, query_image_base64=CAT, min_score=least)
    assert {one.auction_id for one in left.results} == {
        name for name, score in scores[0].items() if score >= least
    }


def test_a_photo_that_lies_on_its_side_and_one_of_several_is_enough() -> None:
    turned = base64.b64encode(encode(picture("cat").rotate(90, expand=True), "PNG")).decode()
    rocket = base64.b64encode(PHOTOS["rocket"]).decode()
    for body in (
        {"query_image_base64": turned, "any_rotation": True},
        {"query_images_base64": [rocket, turned]},
        {"query_image_url": "example:cat"},
    ):
        first = ranked(LISTED, **body).results[:2]
        assert {one.auction_id for one in first} == FRAMED


def test_copies_of_a_picture_stay_together_and_are_looked_at_once() -> None:
    copies = [Candidate(auction_id=n, image_url="file:like") for n in range(FIRST + 2)]
    answer = ranked([*copies, *LISTED], query_image_base64=CAT)
    agree = [one.agreeing_points for one in answer.results]
    assert {one.auction_id for one in answer.results[:2]} == FRAMED
    assert agree[2:] == [None] * (len(agree) - 2)
    twice = [Candidate(auction_id="again", image_url="file:in blue"), *LISTED]
    results = ranked(twice, query_image_base64=CAT).results
    by_id = {one.auction_id: one for one in results}
    assert by_id["again"].agreeing_points == by_id["in blue"].agreeing_points
    grouped = ranked(twice, query_image_base64=CAT, group_duplicates=True).results
    assert ["in blue"] in [one.duplicates for one in grouped[:2]]
    for one, other in itertools.pairwise(results):
        assert (one.agreeing_points or 0, one.score) >= (other.agreeing_points or 0, other.score)
