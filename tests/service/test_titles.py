"""Titles and words over HTTP: of a model that reads text and of one that does not."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from clip_ranker.rank.events import AnswerEvent, ScoredEvent
from tests.running import Service

LISTED = [
    {"auction_id": "A1", "image_url": "example:cat", "title": "猫 NTR-002"},
    {"auction_id": "A2", "image_url": "example:coffee", "title": "カップ ＮＴＲ００１"},
    {"auction_id": "A3", "image_url": "example:rocket"},
    {"auction_id": "A4", "image_url": "example:gone", "title": "NTR-001"},
]
BODY: dict[str, Any] = {"query_image_url": "example:cat", "candidates": LISTED}


@pytest.fixture(params=["tiny", "tiny_text"])
def either(serve: Callable[..., Service], request: pytest.FixtureRequest) -> Service:
    return serve(request.param)


def test_words_count_in_the_answer_and_a_stream_tells_the_pictures_scores(either: Service) -> None:
    plain = either.client.post("/rank", json=BODY | {"title_weight": 0}).json()
    body = BODY | {"query_text": "ntr 001", "title_weight": 0.9}
    response = either.client.post("/rank", json=body)
    answer = response.json()
    assert answer["meta"]["text_method"] in ("model", "lexical")
    assert ";dur=" in response.headers["Server-Timing"].partition("text")[2]
    assert [one["auction_id"] for one in answer["failed"]] == ["A4"]
    scores = {one["auction_id"]: one["score"] for one in plain["results"]}
    assert {one["auction_id"]: one["image_score"] for one in answer["results"]} == scores
    for one in answer["results"]:
        text = one.get("text_score", one["image_score"])
        assert one["score"] == pytest.approx(0.1 * one["image_score"] + 0.9 * text)
    *events, last = map(json.loads, either.client.post("/rank/stream", json=body).text.splitlines())
    told = [ScoredEvent.model_validate(one) for one in events if one["type"] == "scored"]
    assert {one.auction_id: one.score for one in told} == scores
    assert AnswerEvent.model_validate(last).answer.model_dump(
        exclude={"meta"}, exclude_none=True
    ) == {name: answer[name] for name in ("results", "failed")}


def test_a_model_that_reads_no_text_finds_a_number_and_says_how(service: Service) -> None:
    body = BODY | {"query_text": "ntr 001", "title_weight": 0.9}
    answer = service.client.post("/rank", json=body).json()
    assert answer["meta"]["text_method"] == "lexical"
    assert answer["results"][0]["auction_id"] == "A2"
    assert "text_score" not in next(r for r in answer["results"] if r["auction_id"] == "A3")
    for path in ("/rank", "/rank/stream"):
        refused = service.client.post(path, json=BODY | {"title_weight": 0.9})
        assert refused.status_code == 400
        assert refused.json()["detail"][0]["field"] == "title_weight"
        assert "query_text" in refused.json()["error"]


def test_a_model_that_reads_text_compares_titles_with_the_photo(
    serve: Callable[..., Service],
) -> None:
    service = serve("tiny_text")
    body = BODY | {"title_weight": 0.5}
    ahead = {"candidates": LISTED, "title_weight": 0.5}
    assert service.client.post("/prefetch", json=ahead).status_code == 202
    answer = service.client.post("/rank", json=body).json()
    assert answer["meta"]["text_method"] == "model"
    parts = {one["auction_id"]: one.get("text_score") for one in answer["results"]}
    assert parts["A3"] is None
    assert None not in (parts["A1"], parts["A2"])
