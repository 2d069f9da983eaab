"""Requests as apps, shops and proxies make them, against a running service."""

import base64
import codecs
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.photos import PHOTOS
from tests.running import Service

QUERY = base64.b64encode(PHOTOS["cat"]).decode()
GOOD = {"auction_id": "good", "image_url": "example:cat"}


def body(*candidates: Any, **more: Any) -> dict[str, Any]:
    return {"query_image_url": "example:cat", "candidates": [GOOD, *candidates]} | more


def post(
    service: Service, text: bytes | str, path: str = "/rank", **headers: str
) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | headers
    return service.client.post(path, content=text, headers=headers)


def answer(service: Service, **request: Any) -> dict[str, Any]:
    response = service.client.post("/rank", json=request)
    assert response.status_code == 200, response.text
    parsed: dict[str, Any] = response.json()
    return parsed


def error(response: httpx.Response, status: int = 400) -> str:
    assert response.status_code == status, response.text
    said = response.json()
    assert set(said) == {"error", "detail"}
    return str(said["error"])


@pytest.mark.parametrize(
    ("sent", "was"),
    [
        ({"image_url": None}, "null"),
        ({}, "missing"),
        ({"image_url": ""}, "empty text"),
        ({"image_url": " \n"}, "empty text"),
        ({"image_url": 5}, "a number"),
        ({"image_url": True}, "true"),
        ({"image_url": {"uri": "example:cat"}}, "an object"),
        ({"image_url": ["example:cat"]}, "a list"),
        ({"url": "example:cat"}, "missing"),  # of one listing among others it may be its page's
    ],
)
def test_a_listing_without_a_picture_fails_alone(
    service: Service, sent: dict[str, Any], was: str
) -> None:
    request = body({"auction_id": "bad", "title": "x"} | sent)
    ranked = answer(service, **request)
    assert [result["auction_id"] for result in ranked["results"]] == ["good"]
    failure = {"auction_id": "bad", "reason": "no_image", "detail": f"image_url is {was}"}
    [failed] = ranked["failed"]
    assert failure.items() <= failed.items()
    lines = service.client.post("/rank/stream", json=request).text.splitlines()
    assert sum(failure.items() <= json.loads(line).items() for line in lines) == 1
    accepted = service.client.post("/prefetch", json={"candidates": request["candidates"]})
    assert accepted.json()["refused"] == 1


def test_when_no_listing_has_a_picture_each_fails(service: Service) -> None:
    ranked = answer(service, query_image_url="example:cat", candidates=[{"auction_id": 1}])
    assert [failure["reason"] for failure in ranked["failed"]] == ["no_image"]


@pytest.mark.parametrize("name", ["imageUrl", "ImageURL", "image-url"])
@pytest.mark.parametrize("more", [{}, {"image_url": None}])
def test_a_listing_that_alone_spells_image_url_otherwise_fails_alone(
    service: Service, name: str, more: dict[str, Any]
) -> None:
    ranked = answer(service, **body({"auction_id": "bad", name: "example:cat"} | more))
    assert [result["auction_id"] for result in ranked["results"]] == ["good"]
    [failed] = ranked["failed"]
    assert (failed["auction_id"], failed["reason"]) == ("bad", "no_image")
    assert failed["detail"] == f"{name}: did you mean image_url?"


@pytest.mark.parametrize(
    ("listing", "was"),
    [
        ({"page_url": "https://shop.example/1"}, "missing"),
        ({"image_url": None, "url": "https://shop.example/1"}, "null"),
        ({"thumbnail": None}, "missing"),
        ({"thumbnail": ""}, "missing"),
        ({"thumbnail": "small"}, "missing"),
        ({"images": []}, "missing"),
        ({"images": [None]}, "missing"),
        ({"image": {"width": 90}}, "missing"),
    ],
)
def test_what_is_no_picture_under_another_name_is_no_slip(
    service: Service, listing: dict[str, Any], was: str
) -> None:
    ranked = answer(
        service, query_image_url="example:cat", candidates=[{"auction_id": 1} | listing] * 2
    )
    assert [failure["detail"] for failure in ranked["failed"]] == [f"image_url is {was}"] * 2


def test_of_several_photos_the_wrong_ones_are_named_by_their_positions(service: Service) -> None:
    for path in ("/rank", "/rank/stream"):
        for photos, wrong in (([QUERY, "undefined", QUERY, "bm8="], (1, 3)), ([QUERY, None], (1,))):
            request = {"candidates": [GOOD], "query_images_base64": photos}
            refused = service.client.post(path, json=request)
            error(refused)
            fields = [fault["field"] for fault in refused.json()["detail"]]
            assert fields == [f"query_images_base64[{place}]" for place in wrong]
    several = answer(service, candidates=[GOOD], query_images_base64=[QUERY] * 4)
    assert several["results"] == answer(service, **body(query_image_base64=QUERY))["results"]


@pytest.mark.parametrize("title", [5, 1.5, True, ["x"], {"ja": "猫"}, None, ""])
def test_a_title_that_is_no_text_is_none(service: Service, title: Any) -> None:
    assert len(answer(service, **body(GOOD | {"title": title}))["results"]) == 2


@pytest.mark.parametrize(
    ("candidate", "says"),
    [
        (None, "candidates[1]: it is null"),
        ("example:cat", "candidates[1]: it is text"),
        (["A", "example:cat"], "candidates[1]: it is a list"),
        ({"image_url": "example:cat"}, "candidates[1].auction_id: Field required"),
        (GOOD | {"auction_id": None}, "candidates[1].auction_id: it is null"),
        (GOOD | {"auction_id": 1.5}, "a decimal point: send it as a string"),
        (GOOD | {"auction_id": 5.0}, "a decimal point: send it as a string"),
        (
            GOOD | {"auction_id": False},
            "candidates[1].auction_id: it is false: send it as a string",
        ),
        (GOOD | {"auction_id": {}}, "candidates[1].auction_id: it is an object"),
        (GOOD | {"auction_id": ""}, "candidates[1].auction_id: a string must have 1 to 256"),
        (GOOD | {"auction_id": "x" * 257}, "candidates[1].auction_id: a string must have 1 to 256"),
    ],
)
def test_a_listing_that_nobody_could_name_is_refused_with_its_position(
    service: Service, candidate: Any, says: str
) -> None:
    assert says in error(service.client.post("/rank", json=body(candidate)))


@pytest.mark.parametrize(
    "name", [0, -1, 50, 2**53 + 1, 10**30, -(10**30), 10**4000, "50", "050", "1e3", "猫"]
)
def test_an_id_comes_back_as_it_was_sent(service: Service, name: int | str) -> None:
    sent = json.dumps(name, ensure_ascii=False)
    request = body(GOOD | {"auction_id": name}, {"auction_id": name})
    text = post(service, json.dumps(request)).text
    assert text.count(f'"auction_id":{sent},') == 2
    streamed = post(service, json.dumps(request), "/rank/stream").text
    assert streamed.count(f'"auction_id":{sent},') == 4


def test_an_integer_that_python_does_not_read_is_a_400(service: Service) -> None:
    text = json.dumps(body()).replace('"good"', "1" * 5000)
    assert "number out of range" in error(post(service, text))


@pytest.mark.parametrize("path", ["/rank", "/rank/stream"])
def test_numbers_may_be_text_and_null_is_the_default(service: Service, path: str) -> None:
    others = dict.fromkeys(("max_concurrency", "deadline_ms", "query_image_base64"))
    for size in ("224", 224.0, " 224 ", None):
        sent = body(GOOD, top_k="1", image_resize=size, **others)
        answered = json.loads(post(service, json.dumps(sent), path).text.splitlines()[-1])
        answered = answered.get("answer", answered)
        assert len(answered["results"]) == 1
        assert answered["meta"]["image_resize"] == (224 if size else 768)
    response = service.client.post("/prefetch", json={"candidates": [], "image_resize": None})
    assert response.status_code == 202


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ({"queryImageBase64": QUERY}, "query_image_base64"),
        ({"QueryImageBase64": QUERY}, "query_image_base64"),
        ({"query-image-base64": QUERY}, "query_image_base64"),
        ({"image": QUERY}, "query_image_base64"),
        ({"photo": QUERY, "query_image_base64": None}, "query_image_base64"),
        ({"queryImageUrl": "example:cat"}, "query_image_url"),
        ({"image_b64": QUERY}, "query_image_base64"),
        ({"qeury_image_base64": QUERY}, "query_image_base64"),
        ({"photo_uri": "example:cat"}, "query_image_url"),
        ({"query_image_url": "example:cat", "topK": 5}, "top_k"),
        ({"query_image_url": "example:cat", "maxConcurrency": 5}, "max_concurrency"),
    ],
)
def test_a_name_that_is_nearly_right_is_told(
    service: Service, sent: dict[str, Any], meant: str
) -> None:
    said = error(service.client.post("/rank", json={"candidates": [GOOD]} | sent))
    assert said.endswith(f"did you mean {meant}?")


@pytest.mark.parametrize("path", ["/rank", "/prefetch"])
@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"listings": [GOOD]}, "listings: did you mean candidates?"),
        ({"image_urls": ["example:cat"]}, "image_urls: did you mean candidates?"),
        ({"images": ["example:cat"]}, "images: did you mean candidates?"),
        ({"canidates": [GOOD]}, "canidates: did you mean candidates?"),
        ({"candidates": None}, "candidates: it is null: send a list"),
        ({"candidates": json.dumps([GOOD])}, "candidates: it is text: send a list"),
        ({"candidates": GOOD}, "candidates: it is an object: send a list"),
        (
            {"candidates": [{"auctoin_id": "A", "image_url": "example:cat"}]},
            "candidates[0]: auctoin_id: did you mean auction_id?",
        ),
        (
            {"candidates": [{"auction_id": "A", "imgUrl": "example:cat"}]},
            "candidates[0]: imgUrl: did you mean image_url?",
        ),
        (
            {"candidates": [GOOD, {"auctionId": "A", "image_url": "example:cat"}]},
            "candidates[1]: auctionId: did you mean auction_id?",
        ),
        (
            {"candidates": [{"id": 5, "image_url": "example:cat"}]},
            "candidates[0]: id: did you mean auction_id?",
        ),
        (
            {"candidates": [{"auction_id": "A", "image_url": None, "imageUrl": "example:cat"}]},
            "candidates[0]: imageUrl: did you mean image_url?",
        ),
        (
            {"candidates": [{"auction_id": "A", "url": "example:cat"}] * 2},
            "candidates[0]: url: did you mean image_url?",
        ),
        (
            {"candidates": [{"auction_id": "A", "images": ["example:cat"]}]},
            "candidates[0]: images: did you mean image_url?",
        ),
    ],
)
def test_a_slip_in_the_listings_is_told(
    service: Service, path: str, sent: dict[str, Any], says: str
) -> None:
    query = {"query_image_url": "example:cat"} if path == "/rank" else {}
    assert says in error(service.client.post(path, json=query | sent))


def test_other_fields_are_ignored_and_so_are_slips_beside_the_right_name(service: Service) -> None:
    listing = GOOD | {"id": 1, "url": "https://shop.example/1", "imageUrl": "x", "Title": "x"}
    request = body(listing, image="x", listings=[], query_image_base64=QUERY, page=2)
    assert len(answer(service, **request)["results"]) == 2


def test_a_preflight_of_another_origin_names_the_setting(serve: Callable[..., Service]) -> None:
    service = serve(CLIP_CORS_ORIGINS="https://shop.example")

    def asked(origin: str, header: str) -> httpx.Response:
        wanted = {"Method": "POST", "Headers": header}
        headers = {f"Access-Control-Request-{name}": value for name, value in wanted.items()}
        return service.client.options("/rank", headers={"Origin": origin} | headers)

    assert asked("https://shop.example", "content-type").status_code == 200
    assert "CLIP_CORS_ORIGINS" in error(asked("https://other.example", "content-type"))
    assert "Content-Type" in error(asked("https://shop.example", "x-other"))


@pytest.mark.parametrize("sent", [[GOOD], "text", 5, None])
def test_a_body_that_is_no_object_is_refused_in_words(service: Service, sent: Any) -> None:
    assert "send a JSON object" in error(post(service, json.dumps(sent)))


TEXT = json.dumps(body(GOOD | {"title": "猫"}), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [
        (codecs.BOM_UTF8 + TEXT, ""),
        (gzip.compress(TEXT), "gzip"),
        (gzip.compress(codecs.BOM_UTF8 + TEXT), "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (TEXT, "identity"),
        (TEXT.replace("猫".encode(), rb"\ud83d"), ""),  # cut in the middle of an emoji
    ],
)
def test_bodies_as_they_are_packed(service: Service, sent: bytes, encoding: str) -> None:
    response = post(service, sent, **{"Content-Encoding": encoding})
    assert response.status_code == 200, response.text
    assert response.json()["meta"]["succeeded"] == 2


@pytest.mark.parametrize(
    ("sent", "encoding", "status", "says"),
    [
        (TEXT, "br", 415, "send gzip, deflate"),
        (TEXT, "gzip", 400, "not gzip"),
        (gzip.compress(bytes(60_000_000)), "gzip", 413, "unpacks to more than"),
        (TEXT.decode().encode("utf-16"), "", 400, "UTF-8"),
        (TEXT.decode().encode("shift_jis"), "", 400, "bytes that are no UTF-8"),
        (b"", "", 400, "candidates: Field required"),
        (TEXT[:-9], "", 400, "it ends in the middle"),
        (
            b'{\n "candidates": [],\n}',
            "",
            400,
            "a comma with nothing after it, in line 3 at byte 1",
        ),
        (b"{'candidates': []}", "", 400, "a name without double quotes, in line 1"),
        (b"image=1&listings=2", "", 400, "no value where there should be one, in line 1 at byte 1"),
        (b'{"title": "a\nb"}', "", 400, "a line break"),
        (b"{} {}", "", 400, "something after its end"),
        (b'{"a": NaNa}', "", 400, "this is not JSON: "),
    ],
)
def test_what_no_parser_takes_is_refused_in_words(
    service: Service, sent: bytes, encoding: str, status: int, says: str
) -> None:
    assert says in error(post(service, sent, **{"Content-Encoding": encoding}), status)


@pytest.mark.parametrize(
    ("photo", "says"),
    [
        ("ph://9F983DBA-EC35-42B8-8773-B597CF782EDD/L0/001", "read the file"),
        ("file:///var/mobile/a.jpg", "read the file"),
        ("content://media/1", "read the file"),
        ("blob:http://localhost/1", "read the file"),
        ("https://img.example/a.jpg", "query_image_url"),
        ("undefined", "JavaScript"),
        ("[object Object]", "JavaScript"),
        (base64.b64encode(QUERY.encode()).decode(), "twice"),
    ],
)
def test_what_is_sent_instead_of_the_photo_is_named(
    service: Service, photo: str, says: str
) -> None:
    said = error(service.client.post("/rank", json=body(query_image_base64=photo)))
    assert said.startswith("query_image_base64: ")
    assert says in said


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"uri": "file:///a.jpg", "width": 9}, "it is an object: read the file"),
        ({"uri": "file:///a.jpg", "base64": QUERY}, "send the text of its base64 alone"),
        ({}, "a File or Blob: read the file"),
        ([QUERY], "it is a list: read the file"),
        ([255, 216, 255], "it is a list: read the file"),
        (5, "it is a number: read the file"),
        (True, "it is true: read the file"),
    ],
)
def test_a_photo_that_is_no_text_is_told_what_it_is(service: Service, sent: Any, says: str) -> None:
    said = error(service.client.post("/rank", json=body(query_image_base64=sent)))
    assert said.startswith("query_image_base64: ")
    assert says in said


def test_a_photo_that_is_null_is_told_so(service: Service) -> None:
    request = body(query_image_base64=None) | {"query_image_url": None}
    said = error(service.client.post("/rank", json=request))
    assert said == "body: query_image_base64 is null: there was no photo (yet) when this was sent"
    data = f"data:image/jpeg;base64,{QUERY}"
    said = error(service.client.post("/rank", json=body(query_image_url=data)))
    assert said == "query_image_url: this is the photo itself: send it as query_image_base64"
    said = error(service.client.post("/rank", json=body(query_image_url={"uri": "example:cat"})))
    assert said == "query_image_url: it is an object: send the URL of the photo as text"


@pytest.mark.parametrize("changed", [QUERY.replace("+", " "), QUERY.replace("+", "%2B")])
def test_a_photo_that_was_changed_on_the_way_is_the_photo(service: Service, changed: str) -> None:
    assert changed != QUERY
    (ranked,) = answer(service, **body(query_image_base64=changed))["results"]
    assert ranked == answer(service, **body(query_image_base64=QUERY))["results"][0]
