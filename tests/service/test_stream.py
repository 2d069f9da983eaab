"""``/rank/stream``, ``/prefetch`` and deadlines against a running service."""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clip_ranker.rank.events import AnswerEvent, FailedEvent, ScoredEvent
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import HANGS_S, Service, wait_until

CAT = PHOTOS["cat"]
QUERY = base64.b64encode(CAT).decode()


def body(urls: list[str], **more: Any) -> dict[str, Any]:
    candidates = [{"auction_id": str(n), "image_url": url} for n, url in enumerate(urls)]
    return {"query_image_base64": QUERY, "candidates": candidates, **more}


def stream(service: Service, urls: list[str], **more: Any) -> Iterator[dict[str, Any]]:
    with service.client.stream("POST", "/rank/stream", json=body(urls, **more)) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/x-ndjson"
        for line in response.iter_lines():
            yield json.loads(line)


def without_time(answer: dict[str, Any]) -> dict[str, Any]:
    meta = {k: v for k, v in answer["meta"].items() if k not in ("timing_ms", "cached")}
    return {**answer, "meta": meta}


def test_each_candidate_is_told_once_and_the_last_event_is_the_rank_answer(
    service: Service, images: ImageServer
) -> None:
    urls = [images.photo(name) for name in sorted(PHOTOS)] + [images.url("/no")] * 2
    *events, last = stream(service, urls)
    for event in events:
        kind = ScoredEvent if event["type"] == "scored" else FailedEvent
        assert kind.model_validate(event).model_dump(exclude_none=True) == event
    assert AnswerEvent.model_validate(last).model_dump(exclude_none=True) == last
    assert sorted(event["index"] for event in events) == list(range(len(urls)))
    assert [event["done"] for event in events] == list(range(1, len(urls) + 1))
    assert {event["candidates"] for event in events} == {len(urls)}
    assert {event["index"] for event in events if event["type"] == "failed"} == {15, 16}
    assert last["type"] == "answer"
    assert without_time(last["answer"]) == without_time(service.ranked(query=CAT, candidates=urls))
    scores = {result["auction_id"]: result["score"] for result in last["answer"]["results"]}
    told = {event["auction_id"]: event["score"] for event in events if event["type"] == "scored"}
    assert told == scores


def test_scores_leave_before_the_slowest_picture_is_there(
    patient: Service, images: ImageServer
) -> None:
    urls = [images.url("/held/cat"), *(images.photo(name) for name in sorted(PHOTOS))]
    with images.holding():
        events = stream(patient, urls)
        early = [next(events) for _ in PHOTOS]
    assert {event["index"] for event in early} == set(range(1, len(urls)))
    slowest, last = events
    assert (slowest["type"], slowest["index"]) == ("scored", 0)
    assert last["type"] == "answer"


def test_what_can_be_a_400_is_answered_before_the_stream_begins(service: Service) -> None:
    for wrong in ({"query_image_base64": "bm8="}, {"candidates": 1}, {"top_k": 0}):
        response = service.client.post("/rank/stream", json=body([]) | wrong)
        assert response.status_code == 400
        assert set(response.json()) == {"error", "detail"}


def test_a_deadline_answers_with_what_is_there_and_the_rest_is_quicker_next_time(
    patient: Service, images: ImageServer
) -> None:
    urls = [images.photo("coffee"), images.url("/held/cat?deadline")]
    patient.ranked(query=CAT, candidates=urls[:1])  # known from here on: no deadline is too short
    with images.holding():
        hits = images.hits["/held/cat"]
        answer = patient.ranked(query=CAT, candidates=urls, deadline_ms=1000)
    assert answer["meta"]["partial"] is True
    assert [result["auction_id"] for result in answer["results"]] == ["0"]
    assert [(f["auction_id"], f["reason"]) for f in answer["failed"]] == [("1", "timed_out")]

    def whole() -> bool:
        again = patient.ranked(query=CAT, candidates=urls, deadline_ms=1000)
        return not again["meta"]["partial"]

    wait_until(whole, patient.log)
    assert patient.ranked(query=CAT, candidates=urls)["meta"]["cached"] == 2
    assert images.hits["/held/cat"] == hits + 1  # what had begun was not begun again


def test_without_a_deadline_nothing_is_partial(service: Service, images: ImageServer) -> None:
    answer = service.ranked(query=CAT, candidates=[images.photo("coffee")])
    assert answer["meta"]["partial"] is False


@pytest.mark.parametrize("deadline_ms", [99, 60_001, "99", "soon", 1.5])
def test_a_deadline_out_of_bounds_is_a_400(service: Service, deadline_ms: object) -> None:
    response = service.rank(query=CAT, candidates=[], deadline_ms=deadline_ms)
    assert response.status_code == 400
    assert "deadline_ms" in response.json()["error"]


def prefetch(service: Service, urls: list[str]) -> dict[str, int]:
    candidates = [{"auction_id": str(n), "image_url": url} for n, url in enumerate(urls)]
    response = service.client.post("/prefetch", json={"candidates": candidates})
    assert response.status_code == 202
    counts: dict[str, int] = response.json()
    assert sum(counts.values()) == len(urls)
    return counts


def test_what_was_prefetched_is_known_to_rank(service: Service, images: ImageServer) -> None:
    urls = [images.put(f"/prefetched/{n}", PHOTOS["coffee"]) for n in range(12)]
    assert prefetch(service, urls + urls[:3]) == {"accepted": 12, "known": 3, "refused": 0}

    def asked() -> list[int]:
        return [images.hits[f"/prefetched/{n}"] for n in range(12)]

    wait_until(lambda: prefetch(service, urls)["known"] == 12 and all(asked()), asked)
    service.ranked(query=CAT, candidates=urls)  # joins what is still on its way
    assert service.ranked(query=CAT, candidates=urls)["meta"]["cached"] == 12
    assert {images.hits[f"/prefetched/{n}"] for n in range(12)} == {1}


def test_a_rank_takes_over_what_a_prefetch_has_begun(patient: Service, images: ImageServer) -> None:
    urls = [images.url(f"/held/cat?takeover={n}") for n in range(6)]
    with ThreadPoolExecutor(1) as pool, images.holding():
        hits = images.hits["/held/cat"]
        assert prefetch(patient, urls)["accepted"] == 6
        wait_until(lambda: images.hits["/held/cat"] > hits, patient.log)
        answer = pool.submit(patient.ranked, query=CAT, candidates=urls)
        # The prefetch takes few places: the rest of them come for the rank.
        wait_until(lambda: images.hits["/held/cat"] == hits + 6, patient.log)
    assert answer.result()["meta"]["succeeded"] == 6, answer.result()
    assert images.hits["/held/cat"] == hits + 6


def test_more_than_the_line_holds_is_refused(
    serve: Callable[..., Service], images: ImageServer
) -> None:
    service = serve(CLIP_MAX_PREFETCH="2")
    urls = [images.url(f"/held/cat?refused={n}") for n in range(9)]
    with images.holding():
        counts = prefetch(service, urls)
    assert counts["refused"] == 7
    assert counts["accepted"] == 2


def test_at_the_end_what_is_in_line_is_dropped_and_counted(
    stored: Callable[[str], str], images: ImageServer
) -> None:
    settings = {"CLIP_MODEL": stored("tiny"), "CLIP_ALLOW_PRIVATE_HOSTS": images.host}
    settings["CLIP_DOWNLOAD_TIMEOUT_S"] = "60"
    with Service(settings) as service, images.holding():
        urls = [images.url(f"/held/cat?dropped={n}") for n in range(30)]
        assert prefetch(service, urls)["accepted"] == 30
        processes = service.processes()
        service.process.terminate()
        service.process.wait(HANGS_S)
        assert "prefetch: 30 pictures and titles dropped" in service.log()
        assert not [process for process in processes if process.is_running()]


def test_a_client_that_leaves_a_stream_stops_the_work(
    patient: Service, images: ImageServer
) -> None:
    urls = [images.url(f"/held/cat?left={n}") for n in range(40)]
    asked = body([images.photo("coffee"), *urls], max_concurrency=2)
    with images.holding():
        hits = images.hits["/held/cat"]
        with patient.client.stream("POST", "/rank/stream", json=asked) as response:
            next(response.iter_lines())
        patient.wait_until_idle()  # although no picture has come
    assert images.hits["/held/cat"] - hits <= 2


def test_a_request_shows_in_metrics_and_server_timing(
    service: Service, images: ImageServer
) -> None:
    def counted() -> dict[str, float]:
        lines = service.client.get("/metrics").text.splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("clip_ranker_")]
        return {name: float(value) for name, value in pairs}

    service.wait_until_idle()
    before = counted()
    urls = [images.put("/counted", PHOTOS["coffee"]), images.url("/counted-not")]
    response = service.rank(query=CAT, candidates=urls)
    after = counted()

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('clip_ranker_candidates_total{outcome="ranked"}') == 1
    assert grown('clip_ranker_candidates_total{outcome="download_failed"}') == 1
    assert grown('clip_ranker_cache_total{result="miss"}') == 2
    assert grown('clip_ranker_stage_seconds_count{stage="total"}') == 1
    assert service.in_flight() == dict.fromkeys(
        ("clip_ranker_downloads_in_flight", "clip_ranker_embeds_in_flight"), 0
    )
    timing = dict(part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    assert set(timing) == {"total", "download", "decode", "embed"}
    assert float(timing["total"]) == pytest.approx(
        response.json()["meta"]["timing_ms"]["total"], abs=0.1
    )


def test_one_json_line_a_request_without_query_strings_or_photo(
    service: Service, images: ImageServer
) -> None:
    def logged() -> list[dict[str, Any]]:
        lines = service.log().splitlines()
        return [
            json.loads(line) for line in lines if line.startswith('{"method":"POST","path":"/r')
        ]

    before = len(logged())
    urls = [images.url("/photo/cat?token=secret-in-a-query")]
    service.ranked(query=CAT, candidates=urls)
    list(stream(service, urls))
    for path in ("/rank", "/rank/stream"):
        service.client.post(path, json=body(urls) | {"query_image_base64": "bm8="})
    wait_until(lambda: len(logged()) == before + 4, service.log)
    ranked, streamed, *refused = logged()[before:]
    assert (ranked["path"], streamed["path"]) == ("/rank", "/rank/stream")
    for line in (ranked, streamed):
        assert (line["status"], line["candidates"], line["succeeded"]) == (200, 1, 1)
        assert line["failed"] == {}
        assert set(line["ms"]) == {"total", "download", "decode", "embed"}
    assert [(line["path"], line["status"], line["candidates"]) for line in refused] == [
        ("/rank", 400, 1),
        ("/rank/stream", 400, 1),
    ]
    assert "query_image_base64" in refused[0]["error"]
    assert "secret-in-a-query" not in service.log()
    assert QUERY[:40] not in service.log()
