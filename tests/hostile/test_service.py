"""The rows of hostile input against the running service: no 500, no leak, nothing forbidden."""

import base64
import http.client
import json
import pickle
import re
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from clip_ranker.download.url_policy import BLOCKED_ADDRESS
from tests.hostile import files
from tests.hostile.addresses import PRIVATE, REFUSED_URLS
from tests.hostile.answers import BROKEN, OK
from tests.hostile.raw_server import RawServer, drip, reset, until_closed
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import HANGS_S, Service, wait_until

CAT = PHOTOS["cat"]
CAT_BASE64 = base64.b64encode(CAT).decode()
SECRET = "token=7f3a9c"
JSON = {"Content-Type": "application/json"}
NOT_IN_A_BODY = re.compile(
    r'Traceback|File "|\.py\b|/home/|/usr/|/tmp/|site-packages|127\.0\.0\.1|0x7f'
)


@pytest.fixture(scope="module")
def raw() -> Iterator[RawServer]:
    """Admitted by name and port."""
    with RawServer() as server:
        yield server


@pytest.fixture(scope="module")
def forbidden() -> Iterator[RawServer]:
    """Not admitted."""
    with RawServer() as server:
        yield server


@pytest.fixture(scope="module")
def service(
    serve: Callable[..., Service], raw: RawServer, images: ImageServer
) -> Iterator[Service]:
    """After all tests of this module, its log must hold none of what they sent."""
    service = serve(
        CLIP_ALLOW_PRIVATE_HOSTS=f"127.0.0.1:{raw.port},{images.host}",
        CLIP_DOWNLOAD_TIMEOUT_S="5",
    )
    yield service
    log = service.log()
    assert SECRET not in log
    assert "Traceback" not in log
    assert CAT_BASE64[100:140] not in log
    assert CAT_BASE64[:40] not in log


def check_error(response: httpx.Response, status: int) -> dict[str, Any]:
    """An error in our one shape that gives nothing away."""
    assert response.status_code == status, response.text
    said = response.json()
    assert set(said) == {"error", "detail"}
    assert isinstance(said["error"], str)
    assert len(said["error"]) > 10
    assert isinstance(said["detail"], list)
    known = {"field", "reason", "message", "detail_code", "detail_params"}
    assert all(set(fault) <= known for fault in said["detail"])
    assert not NOT_IN_A_BODY.search(response.text)
    assert SECRET not in response.text
    assert len(response.text) < 5000
    return said


def address(service: Service) -> tuple[str, int]:
    """Host and port."""
    return "127.0.0.1", int(service.url.rpartition(":")[2])


def failures(answer: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {failure["auction_id"]: failure for failure in answer["failed"]}


def test_every_refused_address_is_one_blocked_candidate(
    service: Service, forbidden: RawServer
) -> None:
    port = forbidden.port
    literals = [f"[{one.replace('%', '%25')}]" if ":" in one else one for one in PRIVATE]
    urls = [f"http://{host}/?{SECRET}" for host in literals]
    urls += ["http://localhost/", "http://redis/", "http://127.1/", "http://2130706433/"]
    blocked_alike = len(urls)
    urls += [*REFUSED_URLS, f"http://127.0.0.1:{port}/", f"http://localhost:{port}/"]
    urls = [url for url in urls if url.isprintable() or url.isascii()]
    answer = service.ranked(query=CAT, candidates=[*urls, "example:cat"])
    found = failures(answer)
    assert len(found) == len(urls)
    assert all(
        failure["reason"] == ("url_blocked" if url.strip() else "no_image")
        for url, failure in zip(urls, (found[str(n)] for n in range(len(urls))), strict=True)
    )
    details = {found[str(index)]["detail_code"] for index in range(blocked_alike)}
    assert details == {BLOCKED_ADDRESS}
    assert [result["auction_id"] for result in answer["results"]] == [str(len(urls))]
    assert forbidden.accepted == 0


def test_every_redirect_to_a_refused_address_is_one_blocked_candidate(
    service: Service, raw: RawServer, forbidden: RawServer
) -> None:
    targets = [
        *(f"http://127.0.0.1:{forbidden.port}/", f"//127.0.0.1:{forbidden.port}/"),
        *("http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://redis:6379/"),
        *("file:///etc/passwd", "http://x@127.0.0.1/", "http://0x7f.1/", "data:image/png,x"),
    ]
    urls = []
    for index, target in enumerate(targets):
        answer = b"HTTP/1.1 302 Found\r\nLocation: " + target.encode() + b"\r\n\r\n"
        urls.append(f"http://127.0.0.1:{raw.port}{raw.says(f'/to/{index}', answer)}")
    found = failures(service.ranked(query=CAT, candidates=urls))
    assert {failure["reason"] for failure in found.values()} == {"url_blocked"}
    assert len(found) == len(urls)
    assert forbidden.accepted == 0


def test_every_broken_answer_is_one_failed_candidate(service: Service, raw: RawServer) -> None:
    raw.acts["/stall"] = until_closed
    raw.acts["/drip"] = drip(b"1\r\nx\r\n")
    raw.acts["/reset"] = lambda connection: (connection.sendall(OK), reset(connection))
    raw.says("/html", OK + b"Content-Type: image/png\r\n\r\n<!DOCTYPE html><title>Hi</title>")
    expected = {"/stall": "timed_out", "/drip": "timed_out", "/reset": "download_failed"}
    expected["/html"] = "not_an_image"
    for index, (answer, says) in enumerate(BROKEN.values()):
        path = raw.says(f"/broken/{index}", answer)
        if "limit" not in says and "bytes" not in says:
            expected[path] = "not_an_image|download_failed"
        else:  # small for the service's limit of 10 MB
            expected[path] = "not_an_image|download_failed|too_large"
    urls = [f"http://127.0.0.1:{raw.port}{path}?{SECRET}" for path in expected]
    for path in expected:
        raw.acts[f"{path}?{SECRET}"] = raw.acts[path]
    answer = service.ranked(query=CAT, candidates=[*urls, "example:cat"], max_concurrency=50)
    found = failures(answer)
    assert len(found) == len(urls)
    for index, reason in enumerate(expected.values()):
        assert re.fullmatch(reason, found[str(index)]["reason"]), found[str(index)]
        assert not NOT_IN_A_BODY.search(found[str(index)]["detail"])


HOSTILE_FILES = {
    "not_an_image": {**files.not_pictures(), **files.damaged()},
    "too_large": files.too_large(),
}


def test_every_hostile_file_is_one_failed_candidate(service: Service, images: ImageServer) -> None:
    urls, reasons = [], []
    for reason, group in HOSTILE_FILES.items():
        for name, data in group.items():
            urls.append(images.put(f"/hostile/{len(urls)}", data, "image/jpeg"))
            reasons.append((name, reason))
    answer = service.ranked(query=CAT, candidates=[*urls, images.photo("cat")])
    found = failures(answer)
    assert [
        (name, found[str(index)]["reason"]) for index, (name, _) in enumerate(reasons)
    ] == reasons


@pytest.mark.parametrize("reason", HOSTILE_FILES)
def test_every_hostile_file_as_the_photo_is_a_400_that_says_why(
    service: Service, reason: str
) -> None:
    for data in HOSTILE_FILES[reason].values():
        said = check_error(service.rank(query=data, candidates=[]), 400)
        assert said["error"].startswith("query_image_base64: ")
        if data:
            assert said["detail"][0]["reason"] == reason


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/a.jpg", "http://redis/", "file:///etc/passwd", "", f"http://[::1]/?{SECRET}"],
)
def test_a_blocked_query_url_is_a_400_that_says_why(service: Service, url: str) -> None:
    said = check_error(service.rank(query_image_url=url, candidates=[]), 400)
    assert said["detail"][0]["field"] == "query_image_url"
    assert said["detail"][0]["reason"] == "url_blocked"


def body(**changes: object) -> dict[str, Any]:
    """A small valid request, with changes."""
    candidates = [{"auction_id": "1", "image_url": "example:cat"}]
    return {"query_image_url": "example:cat", "candidates": candidates} | changes


def candidate(**changes: object) -> dict[str, Any]:
    return body(candidates=[{"auction_id": "1", "image_url": "example:cat"} | changes])


BAD_BODIES: dict[str, bytes] = {
    "none": b"",
    "white space": b"  \n",
    "not JSON": b"query_image_base64=abc",
    "half of JSON": b'{"candidates": [',
    "not UTF-8": b'{"candidates": "\xff\xfe"}',
    "UTF-16": json.dumps(body()).encode("utf-16"),
    "an array": b"[]",
    "an array of one": json.dumps([body()]).encode(),
    "a string": b'"a"',
    "a number": b"1",
    "null": b"null",
    "NaN": b"NaN",
    "NaN inside": json.dumps(body(top_k=float("nan"))).encode(),
    "infinity inside": json.dumps(body(max_concurrency=float("inf"))).encode(),
    "nested deeply": b'{"candidates":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "an endless number": b'{"query_image_url": "example:cat", "candidates": [], "top_k": '
    + b"9" * 10_000
    + b"}",
    "wrapped": json.dumps({"request": body()}).encode(),
    **{
        name: json.dumps(value).encode()
        for name, value in {
            "nothing": {},
            "no candidates": {"query_image_url": "example:cat"},
            "no query": {"candidates": []},
            "null query": {"candidates": [], "query_image_url": None},
            "candidates null": body(candidates=None),
            "candidates a string": body(candidates="x"),
            "candidates an object": body(candidates={}),
            "a candidate null": body(candidates=[None]),
            "a candidate a string": body(candidates=["http://x.test/"]),
            "no id": body(candidates=[{"image_url": "example:cat"}]),
            "id empty": candidate(auction_id=""),
            "id of 257": candidate(auction_id="x" * 257),
            "id a list": candidate(auction_id=["1"]),
            "10,000 candidates": body(candidates=candidate()["candidates"] * 10_000),
            "201 candidates": body(candidates=candidate()["candidates"] * 201),
            "max_concurrency 0": body(max_concurrency=0),
            "max_concurrency 51": body(max_concurrency=51),
            "max_concurrency 10^9": body(max_concurrency=10**9),
            "max_concurrency a word": body(max_concurrency="ten"),
            "max_concurrency 1.5": body(max_concurrency=1.5),
            "max_concurrency true": body(max_concurrency=True),
            "image_resize 1": body(image_resize=1),
            "image_resize 223": body(image_resize=223),
            "image_resize 2049": body(image_resize=2049),
            "image_resize 10^9": body(image_resize=10**9),
            "top_k 0": body(top_k=0),
            "top_k -1": body(top_k=-1),
            "top_k a list": body(top_k=[1]),
            "deadline_ms 0": body(deadline_ms=0),
            "base64 a number": body(query_image_base64=1),
            "base64 empty": body(query_image_base64=""),
            "base64 bad": body(query_image_base64="not base64!"),
            "base64 of 4n+1": body(query_image_base64="abcde"),
            "base64 with emoji": body(query_image_base64="😀"),
            "a data: URL without base64": body(query_image_base64="data:image/png,abc"),
            "base64 of more than a download": body(query_image_base64="A" * 14_000_000),
        }.items()
    },
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_a_400(service: Service, name: str) -> None:
    check_error(service.client.post("/rank", content=BAD_BODIES[name], headers=JSON), 400)


def test_what_looks_odd_and_is_fine(service: Service) -> None:
    def ranked(**changes: object) -> dict[str, Any]:
        response = service.client.post("/rank", json=body(**changes))
        assert response.status_code == httpx.codes.OK, response.text
        return response.json()

    ids = ["😀", "\x00\x1f\n\t", "\u202e\u2066", "a" * 256, "\x7f", "'; DROP TABLE", "日本", "日本"]
    one = candidate()["candidates"][0]
    answer = ranked(candidates=[one | {"auction_id": name} for name in ids])
    assert [result["auction_id"] for result in answer["results"]] == ids
    assert ranked(candidates=[])["results"] == []
    assert len(ranked(candidates=[one] * 200)["results"]) == 200
    assert ranked(top_k=10**30, more={"unknown": [1]}, __class__="x")["meta"]["succeeded"] == 1
    assert ranked(image_resize=224, max_concurrency=1)
    assert ranked(image_resize=2048, max_concurrency=50)
    for text in (
        f"data:image/heic;base64,{CAT_BASE64}",
        base64.urlsafe_b64encode(CAT).decode().rstrip("="),
        re.sub("(.{76})", "\\1\r\n", CAT_BASE64),
    ):
        answer = ranked(query_image_base64=text)
        assert answer["meta"]["succeeded"] == 1


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/vnd.bentoml+pickle", pickle.dumps({"request": body()})),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n--x--"),
        ("multipart/form-data", b""),
        ("application/x-www-form-urlencoded", b"candidates=1"),
        ("text/plain", json.dumps(body()).encode()),
        ("image/jpeg", CAT),
        ("application/xml", b"<a/>"),
    ],
)
def test_other_content_types_get_415(service: Service, kind: str, content: bytes) -> None:
    check_error(service.client.post("/rank", content=content, headers={"Content-Type": kind}), 415)


def test_other_paths_and_methods_say_so_in_the_same_shape(service: Service) -> None:
    check_error(service.client.get("/nothing/here"), 404)
    check_error(service.client.get("/../../etc/passwd"), 404)
    check_error(service.client.post("/nothing", json={}), 404)
    check_error(service.client.get("/rank"), 405)
    check_error(service.client.delete("/rank"), 405)


def test_a_body_over_the_limit_is_refused_before_it_is_there(service: Service) -> None:
    sent = 0
    with socket.create_connection(address(service)) as client:
        client.sendall(
            b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        while not select.select([client], [], [], 0)[0]:
            client.sendall(b"F4240\r\n" + b"A" * 1_000_000 + b"\r\n")
            sent += 1_000_000
            assert sent < 100_000_000  # 30 MB, and what the sockets' buffers hold
        assert client.recv(65536).startswith(b"HTTP/1.1 413")

    announced = http.client.HTTPConnection(*address(service))
    announced.putrequest("POST", "/rank")
    announced.putheader("Content-Type", "application/json")
    announced.putheader("Content-Length", "200000000")
    announced.endheaders()  # and nothing after it
    assert announced.getresponse().status == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    announced.close()


def test_a_client_that_hangs_up_stops_its_downloads(service: Service, raw: RawServer) -> None:
    raw.acts["/gone"] = until_closed
    url = f"http://127.0.0.1:{raw.port}/gone"
    candidates = [{"auction_id": str(n), "image_url": url} for n in range(200)]
    content = json.dumps(body(candidates=candidates)).encode()
    before = raw.accepted
    for upload in (content, content[:500]):  # after the body, and half-way through it
        with socket.create_connection(address(service)) as client:
            head = b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(content) + upload)
            if upload == content:
                wait_until(lambda: raw.accepted > before, service.log)
    assert service.ranked(query=CAT, candidates=["example:cat"])["meta"]["succeeded"] == 1
    service.wait_until_idle()
    started = raw.accepted
    service.ranked(query=CAT, candidates=[url])  # waits for two time-outs of its own
    assert raw.accepted == started + 2
    assert started - before < 50  # of 400 attempts


def test_malformed_http_harms_nobody(service: Service) -> None:
    for request in (
        b"\0" * 1000,
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"POST /rank HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /rank HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500_000 + b"\r\n",  # more than arrives in one piece
    ):
        with socket.create_connection(address(service)) as client:
            client.settimeout(HANGS_S)
            try:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(65536)
            except OSError:  # it has answered and gone
                answer = b""
            assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert service.client.get("/healthz").text == "ok"
