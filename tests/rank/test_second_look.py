"""What is ranked where the first listings are looked at again, in a process of ours."""

import asyncio
import base64
import itertools
from typing import Any

from PIL import Image, ImageOps

from clip_ranker.pictures.pictures import EXAMPLES, Pictures
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.local_features import FIRST
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.schema import RankRequest, RankResponse
from clip_ranker.settings import Settings
from tests.photos import PHOTOS, encode, picture
from tests.rank.in_process import MODEL, colours


def ranked(
    listings: list[Candidate], *, on: bool = True, late: bool = False, **body: Any
) -> RankResponse:
    """``late``: the deadline passes when all scores are there."""

    async def rank() -> RankResponse:
        pictures = Pictures(MODEL, Settings(local_features=on), colours, FILES)
        try:
            request = RankRequest(candidates=listings, **body)
            async with Ranking(request, pictures, timeout_s=600) as ranking:
                async for _ in ranking.events():
                    if late and len(ranking.outcomes) == len(listings):
                        ranking._job.deadline = asyncio.get_running_loop().time()
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


def test_past_the_deadline_the_order_is_that_of_the_scores_and_the_answer_says_so() -> None:
    plain = ranked(LISTED, on=False, late=True, query_image_base64=CAT)
    assert not plain.meta.partial
    late = ranked(LISTED, late=True, query_image_base64=CAT)
    assert late.meta.partial
    assert late.results == plain.results
