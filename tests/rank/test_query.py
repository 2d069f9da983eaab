"""Several photos of one item, scores that are too low, and what scores mean."""

import asyncio
import base64
import io
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from clip_ranker.errors import (
    BadRequestError,
    EmbedderUnavailableError,
    EmbedFailedError,
    NotAnImageError,
)
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest, RankResponse
from clip_ranker.rank.scores import cosine, in_order, score
from clip_ranker.settings import Settings
from tests.photos import PHOTOS
from tests.rank.in_process import BANDS, MODEL, answered, colours

NAMES = ("cat", "coffee", "rocket")
TEXT = {name: base64.b64encode(PHOTOS[name]).decode() for name in NAMES}
LISTED = [Candidate(auction_id=name, image_url=f"example:{name}") for name in NAMES]


async def broken(_: Pixels) -> Embedding:
    raise EmbedFailedError("batch")


def ranked(model: StoredModel = MODEL, embed: Any = colours, **body: Any) -> RankResponse:
    """What is answered for these listings, in a process of ours."""

    async def rank() -> RankResponse:
        return await answered(Pictures(model, Settings(), embed), LISTED, **body)

    return asyncio.run(rank())


def scores(answer: RankResponse) -> Mapping[str | int, float]:
    return {result.auction_id: result.score for result in answer.results}


def test_a_listing_has_the_score_of_the_photo_that_it_is_most_like() -> None:
    alone = {name: scores(ranked(query_image_base64=TEXT[name])) for name in ("cat", "rocket")}
    both = scores(ranked(query_images_base64=[TEXT["cat"], TEXT["rocket"]]))
    assert both == {one: max(alone["cat"][one], alone["rocket"][one]) for one in NAMES}
    assert min(both["cat"], both["rocket"]) > max(0.999, both["coffee"])


def test_one_photo_in_a_list_is_one_photo() -> None:
    answers = [ranked(query_image_base64=TEXT["cat"]), ranked(query_images_base64=[TEXT["cat"]])]
    assert scores(answers[0]) == scores(answers[1])


def test_a_photo_on_its_side_is_found_with_any_rotation() -> None:
    upright = scores(ranked(query_image_base64=TEXT["cat"]))
    for turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270):
        file = io.BytesIO()
        with Image.open(io.BytesIO(PHOTOS["cat"])) as cat:
            cat.transpose(turn).save(file, "PNG")
        turned = base64.b64encode(file.getvalue()).decode()
        as_sent = scores(ranked(query_image_base64=turned))
        found = scores(ranked(query_image_base64=turned, any_rotation=True))
        assert found["cat"] == pytest.approx(upright["cat"], abs=1e-4)
        assert as_sent["cat"] < found["cat"] - 0.01
    both = scores(ranked(query_images_base64=[turned, TEXT["rocket"]], any_rotation=True))
    assert min(both["cat"], both["rocket"]) > 0.999


def test_every_photo_that_is_wrong_is_named_by_its_position() -> None:
    photos = [TEXT["cat"], "!", base64.b64encode(b"no picture").decode(), "undefined"]
    with pytest.raises(BadRequestError) as refused:
        ranked(query_images_base64=photos)
    assert [fault["field"] for fault in refused.value.detail] == [
        f"query_images_base64[{n}]" for n in (1, 2, 3)
    ]
    assert [fault.get("reason") for fault in refused.value.detail] == [None, "not_an_image", None]
    assert str(refused.value).startswith("query_images_base64[1]: this is not base64")
    assert str(refused.value).endswith("(and 2 more)")
    with pytest.raises(
        BadRequestError, match=r"^query_images_base64\[1\]: this is the path of a file"
    ):
        ranked(query_images_base64=[TEXT["cat"], "C:\\photo.jpg"])


def test_when_the_model_fails_a_wrong_photo_is_told_all_the_same() -> None:
    with pytest.raises(BadRequestError, match=r"query_images_base64\[1\]"):
        ranked(embed=broken, query_images_base64=[TEXT["cat"], "!"])
    with pytest.raises(EmbedderUnavailableError, match=r"query_images_base64\[0\].*try again"):
        ranked(embed=broken, query_images_base64=[TEXT["cat"], TEXT["rocket"]])


def test_a_photo_may_have_as_many_bytes_as_before_and_so_may_each_of_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large, small = sorted(("cat", "coffee"), key=lambda name: -len(PHOTOS[name]))
    monkeypatch.setenv("CLIP_MAX_DOWNLOAD_BYTES", str(len(PHOTOS[large]) - 1))
    with pytest.raises(BadRequestError) as refused:
        ranked(query_images_base64=[TEXT[small], TEXT[large]])
    (fault,) = refused.value.detail
    assert (fault["field"], fault["reason"]) == ("query_images_base64[1]", "too_large")
    monkeypatch.setenv("CLIP_MAX_DOWNLOAD_BYTES", str(len(PHOTOS[large])))
    assert ranked(query_images_base64=[TEXT[small], TEXT[large]]).meta.succeeded == 3


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"query_image_base64": "A", "query_images_base64": ["A"]}, "not both"),
        ({"query_images_base64": []}, "at least 1 item"),
        ({"query_image_url": "example:cat", "any_rotation": True}, "not a URL's"),
        ({"query_images_base64": ["A"] * 5}, "at most 4 items"),
        ({"query_images_base64": "A"}, "valid list"),
        ({"query_images_base64": [None]}, "it is null"),
        ({"photos": ["A"]}, "photos: did you mean query_images_base64?"),
        ({"queryImagesBase64": ["A"]}, "queryImagesBase64: did you mean query_images_base64?"),
        ({"query_image_url": "example:cat", "minScore": 0}, "did you mean min_score?"),
        ({"query_image_url": "example:cat", "min_score": 1.01}, "less than or equal to 1"),
        ({"query_image_url": "example:cat", "min_score": 70}, "less than or equal to 1"),
        ({"query_image_url": "example:cat", "min_score": -2}, "greater than or equal to -1"),
        ({"query_image_url": "example:cat", "min_score": "nan"}, "finite number"),
        ({"query_image_url": "example:cat", "min_score": True}, "valid number, not true"),
    ],
)
def test_what_is_refused(body: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RankRequest.model_validate({"candidates": [], **body})
    assert says in str(refused.value)


@pytest.mark.parametrize("sent", [None, 0, "0.25", -1, 1.0])
def test_a_least_score_may_be_written_in_every_way(sent: Any) -> None:
    request = RankRequest(query_image_url="example:cat", candidates=[], min_score=sent)
    assert request.min_score == (sent if sent is None else float(sent))


def unit(*values: float) -> Embedding:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_the_score_is_the_best_over_the_photos() -> None:
    photos, listing = np.stack([unit(1, 0), unit(1, 1), unit(0, -1)]), unit(0.6, 0.8)
    assert score(photos, listing) == cosine(photos[1], listing)
    assert score(photos[2:], listing) == pytest.approx(-0.8)


graded = st.lists(
    st.none() | st.tuples(st.integers(0, 4), st.sampled_from([-0.5, 0.1, 0.5, 0.9])), max_size=20
)


@given(graded, st.sampled_from([-1, 0.1, 0.3, 0.5, 1]), st.none() | st.integers(1, 9))
def test_what_is_below_the_least_score_is_as_if_it_had_not_been_listed(
    listed: list[tuple[int, float] | None], least: float, top_k: int | None
) -> None:
    kept = [one if one and one[1] >= least else None for one in listed]
    ask = partial(RankRequest, query_image_url="example:cat", top_k=top_k, group_duplicates=True)
    for grouped in (True, False):
        answers = []
        for pictures, min_score in ((listed, least), (kept, None)):
            request = ask(
                candidates=[Candidate(auction_id=n) for n in range(len(listed))],
                min_score=min_score,
                group_duplicates=grouped,
            )
            gone = NotAnImageError("file_empty")
            outcomes = {n: one[1] if one else gone for n, one in enumerate(pictures)}
            groups = {n: one[0] for n, one in enumerate(pictures) if one}
            results, failed = in_order(request, outcomes, groups)
            assert len(failed) == list(pictures).count(None)
            answers.append(results)
        assert answers[0] == answers[1]


def test_what_is_left_out_is_counted_and_stays_a_success() -> None:
    every = ranked(query_image_base64=TEXT["cat"])
    assert every.meta.below_min_score is None
    assert "below_min_score" not in every.model_dump_json(exclude_none=True)
    ordered = [result.score for result in every.results]
    for least, left in ((ordered[1], 2), (-1, 3), (1, 0 if ordered[0] < 1 else 1)):
        some = ranked(query_image_base64=TEXT["cat"], min_score=least)
        assert [one.score for one in some.results] == ordered[:left]
        assert some.meta.below_min_score == 3 - left
        assert some.meta.succeeded == 3


def test_a_calibrated_model_tells_what_its_scores_mean() -> None:
    answer = ranked(replace(MODEL, calibration=BANDS), query_image_base64=TEXT["cat"])
    assert {result.auction_id: result.match for result in answer.results}["cat"] == "same"
    for result in answer.results:
        assert result.match == BANDS.match(result.score)
        assert result.probability == BANDS.probability(result.score)


def test_nothing_is_said_of_scores_that_were_not_calibrated() -> None:
    calibrated = replace(MODEL, calibration=BANDS)
    plain = ranked(query_image_base64=TEXT["cat"])
    best = ranked(calibrated, query_images_base64=[TEXT["cat"], TEXT["rocket"]])
    turned = ranked(calibrated, query_image_base64=TEXT["cat"], any_rotation=True)
    for answer in (plain, best, turned):
        said = answer.model_dump_json(exclude_none=True)
        assert '"match"' not in said
        assert '"probability"' not in said
