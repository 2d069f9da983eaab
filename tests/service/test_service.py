"""The whole path: a real ``bentoml serve``, a real image server."""

import base64
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from PIL import Image

from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode, picture
from tests.running import Service, wait_until

CAT = PHOTOS["cat"]
LIMITED = {"CLIP_DOWNLOAD_TIMEOUT_S": "2", "CLIP_MAX_PIXELS": "400000"}


def test_the_answer_has_the_documented_shape(service: Service, images: ImageServer) -> None:
    coffee, cat = (images.put(f"/shape/{name}", PHOTOS[name]) for name in ("coffee", "cat"))
    answer = service.ranked(
        query=CAT + b"a few bytes that no cache has seen",
        candidates=[
            {"auction_id": "A1", "image_url": coffee, "title": "コーヒー"},
            {"auction_id": "A2", "image_url": cat, "title": None},
            {"auction_id": "A9", "image_url": images.url("/missing.jpg")},
        ],
        top_k=50,
        max_concurrency=10,
        image_resize=768,
        extra_field="ignored",
    )
    assert set(answer) == {"results", "failed", "meta"}
    assert [(r["auction_id"], r["rank"]) for r in answer["results"]] == [("A2", 1), ("A1", 2)]
    assert answer["results"][0]["score"] == pytest.approx(1, abs=1e-5)
    assert answer["failed"] == [
        {
            "auction_id": "A9",
            "reason": "download_failed",
            "detail": "HTTP 404",
            "detail_code": "http_status",
            "detail_params": {"status": 404},
        }
    ]
    meta = answer["meta"]
    assert (meta["model"], meta["image_resize"]) == ("tiny", 768)
    assert (meta["candidates"], meta["succeeded"], meta["failed"]) == (3, 2, 1)
    timing = meta["timing_ms"]
    assert {"total", "download", "decode", "embed"} <= set(timing)
    assert all(0 < timing[stage] <= timing["total"] for stage in ("download", "decode", "embed"))


def reasons(answer: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {failure["auction_id"]: failure["reason"] for failure in answer["failed"]}


def test_every_reason_code_of_a_candidate(
    serve: Callable[..., Service], images: ImageServer
) -> None:
    candidates = [
        {"auction_id": "download_failed", "image_url": images.url("/status/500")},
        {"auction_id": "timed_out", "image_url": images.url("/held/cat?reason")},
        {"auction_id": "url_blocked", "image_url": "http://10.0.0.1/a.jpg"},
        {"auction_id": "too_large", "image_url": images.photo("galaxies")},
        {"auction_id": "not_an_image", "image_url": images.put("/page", b"<html>")},
        {"auction_id": "no_image", "image_url": None},
        {"auction_id": "fine", "image_url": images.photo("coffee")},
    ]
    with images.holding():
        answer = serve(**LIMITED).ranked(query=CAT, candidates=candidates)
    assert reasons(answer) == {
        listing["auction_id"]: listing["auction_id"] for listing in candidates[:-1]
    }
    assert [result["auction_id"] for result in answer["results"]] == ["fine"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/flaky/cat", 2), ("/dropped/cat", 2), ("/status/503", 2), ("/status/404", 1), ("/page2", 1)],
)
def test_a_retry_happens_once_and_only_where_it_can_help(
    service: Service, images: ImageServer, path: str, asked: int
) -> None:
    images.put("/page2", b"<html>")
    images.hits[path] = 0
    service.ranked(query=CAT, candidates=[images.url(path)])
    assert images.hits[path] == asked


def test_a_drip_of_bytes_ends_at_the_deadline_of_the_whole_attempt(
    serve: Callable[..., Service], images: ImageServer
) -> None:
    answer = serve(**LIMITED).ranked(
        query=CAT, candidates=[images.url("/drip?s=0.1"), images.photo("coffee")]
    )
    assert reasons(answer) == {"0": "timed_out"}
    assert len(answer["results"]) == 1


def test_three_redirects_are_followed_and_four_are_not(
    service: Service, images: ImageServer
) -> None:
    answer = service.ranked(
        query=CAT,
        candidates=[images.url(f"/chain/{n}") for n in (3, 4)] + [images.url("/nowhere")],
    )
    assert answer["results"][0]["auction_id"] == "0"
    assert reasons(answer) == {"1": "download_failed", "2": "download_failed"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_every_kind_of_picture_ranks_first_against_itself(
    service: Service, images: ImageServer, kind: str
) -> None:
    url = images.put(f"/kind/{kind}", encode(picture("cat"), kind), "image/jpeg")
    answer = service.ranked(query=CAT, candidates=[images.photo("coffee"), url])
    assert answer["results"][0]["auction_id"] == "1"
    assert answer["results"][0]["score"] > 0.99


def test_ties_keep_request_order_duplicates_are_ranked_each_and_top_k_cuts(
    service: Service, images: ImageServer
) -> None:
    urls = [images.photo(name) for name in ("coffee", "cat", "coffee", "cat", "cat")]
    answer = service.ranked(query=CAT, candidates=urls, top_k=4)
    assert [result["auction_id"] for result in answer["results"]] == ["1", "3", "4", "0"]
    assert [result["rank"] for result in answer["results"]] == [1, 2, 3, 4]
    assert answer["meta"]["succeeded"] == 5
    twice = [{"auction_id": "same", "image_url": images.photo(name)} for name in ("cat", "moon")]
    answer = service.ranked(query=CAT, candidates=twice, top_k=1000)
    assert [result["auction_id"] for result in answer["results"]] == ["same", "same"]


def test_zero_candidates_answer_empty_but_the_query_is_still_checked(service: Service) -> None:
    answer = service.ranked(query=CAT, candidates=[])
    assert (answer["results"], answer["failed"]) == ([], [])
    assert service.rank(query=b"no picture", candidates=[]).status_code == 400


def test_when_all_fail_the_answer_is_still_200(service: Service, images: ImageServer) -> None:
    answer = service.ranked(query=CAT, candidates=[images.url("/a"), images.url("/b")])
    assert answer["results"] == []
    assert answer["meta"]["failed"] == 2


def test_the_query_may_be_a_url_or_any_spelling_of_base64(
    service: Service, images: ImageServer
) -> None:
    text = base64.b64encode(CAT).decode()
    spellings = [
        {"query_image_base64": text},
        {"query_image_base64": "data:image/jpeg;base64," + text},
        {"query_image_base64": "\n".join(re.findall(".{1,76}", text))},
        {"query_image_base64": base64.urlsafe_b64encode(CAT).decode().rstrip("=")},
        {"query_image_base64": text, "query_image_url": "http://10.0.0.1/"},
        {"query_image_url": images.photo("cat")},
    ]
    for spelling in spellings:
        answer = service.ranked(candidates=[images.photo("cat")], **spelling)
        assert answer["results"][0]["score"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"candidates": []}, "query_image_base64"),
        ({"query": b"", "candidates": []}, "query_image_base64"),
        ({"query": b"GIF89a", "candidates": []}, "GIF"),
        ({"query_image_url": "http://10.0.0.1/", "candidates": []}, "query_image_url"),
        ({"query": CAT, "candidates": [{"auction_id": "", "image_url": "x"}]}, "auction_id"),
        ({"query": CAT, "candidates": [{"auction_id": "x" * 257, "image_url": "x"}]}, "auction_id"),
        ({"query": CAT, "candidates": ["x"] * 201}, "candidates"),
        ({"query": CAT, "candidates": [], "top_k": 0}, "top_k"),
        ({"query": CAT, "candidates": [], "top_k": "five"}, "top_k"),
        ({"query": CAT, "candidates": [], "top_k": 5.5}, "top_k"),
        ({"query": CAT, "candidates": [], "top_k": True}, "top_k"),
        ({"query": CAT, "candidates": [], "max_concurrency": 0}, "max_concurrency"),
        ({"query": CAT, "candidates": [], "max_concurrency": 51}, "max_concurrency"),
        ({"query": CAT, "candidates": [], "image_resize": 223}, "image_resize"),
        ({"query": CAT, "candidates": [], "image_resize": 2049}, "image_resize"),
    ],
)
def test_a_bad_request_is_400_and_names_the_field(
    service: Service, body: dict[str, object], names: str
) -> None:
    response = service.rank(**body)
    assert response.status_code == 400
    assert set(response.json()) == {"error", "detail"}
    assert names in response.json()["error"]


@pytest.mark.parametrize("most", [1, 3, 8])
def test_downloads_run_at_once_up_to_max_concurrency(
    patient: Service, images: ImageServer, most: int
) -> None:
    urls = [images.url(f"/held/cat?{most}.{n}") for n in range(8)]
    with ThreadPoolExecutor(1) as pool, images.holding():
        answer = pool.submit(patient.ranked, query=CAT, candidates=urls, max_concurrency=most)
        wait_until(lambda: images.waiting >= most, lambda: images.waiting)
        patient.ranked(query=CAT, candidates=["example:cat"])  # one too many would come meanwhile
    assert answer.result()["meta"]["succeeded"] == len(urls)
    assert images.most_waiting == most


def test_examples_need_no_network(service: Service) -> None:
    answer = service.ranked(
        query_image_url="example:cat", candidates=["example:coffee", "example:cat", "example:../x"]
    )
    assert answer["results"][0]["auction_id"] == "1"
    assert reasons(answer) == {"2": "download_failed"}


def test_image_resize_changes_what_the_model_sees(service: Service, images: ImageServer) -> None:
    large = images.put("/large", encode(picture("galaxies").resize((1600, 1200))))
    scores = {
        size: service.ranked(query=CAT, candidates=[large], image_resize=size)["results"][0][
            "score"
        ]
        for size in (224, 2048)
    }
    assert scores[224] != scores[2048]
    assert scores[224] == pytest.approx(scores[2048], abs=0.05)


def test_nothing_of_torch_is_loaded_when_serving(service: Service) -> None:
    processes = service.processes()
    assert len(processes) >= 2
    for process in processes:
        loaded = {path for mapped in process.memory_maps() if (path := mapped.path)}
        assert not [path for path in loaded if "torch" in path or "open_clip" in path]


def test_it_listens_on_one_port_and_keeps_the_embedder_to_itself(service: Service) -> None:
    listening = {
        connection.laddr.port
        for process in service.processes()
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {httpx.URL(service.url).port}
    assert service.client.post("/embed", json={}).status_code == 404


def test_an_odd_sized_query_is_fine(service: Service, images: ImageServer) -> None:
    for size in [(1, 1), (2000, 3)]:
        photo = encode(Image.new("RGB", size, "teal"), "PNG")
        assert service.ranked(query=photo, candidates=[images.photo("cat")])["results"]
