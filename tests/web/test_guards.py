"""Key, CORS, media type, body, requests at once and hang-ups, against a running service."""

import base64
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.cheap import ask_for_health
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import Service, wait_until

CAT = PHOTOS["cat"]
REQUEST = json.dumps(
    {"query_image_base64": base64.b64encode(CAT).decode(), "candidates": []}
).encode()
JSON = {"Content-Type": "application/json"}
KEY = {"Authorization": "Bearer first-key"}
POSTS = ("/rank", "/rank/stream", "/prefetch", "/anything")


def is_error(response: httpx.Response, status: int) -> str:
    """Asserts the one shape; answers the sentence."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error", "detail"}
    assert isinstance(body["detail"], list)
    assert body["error"]
    return str(body["error"])


@pytest.fixture
def guarded(serve: Callable[..., Service]) -> Service:
    return serve(
        CLIP_API_KEY="first-key, second-key",
        CLIP_CORS_ORIGINS="https://app.example http://localhost:8081",
        CLIP_MAX_REQUESTS="2",
        CLIP_MAX_BODY_BYTES="400000",
        CLIP_REQUEST_TIMEOUT_S="2",
        CLIP_UPLOAD_TIMEOUT_S="2",
    )


WRONG = [None, "Bearer wrong", "Bearer", "first-key", "Basic first-key", "Bearer first-ke"]


@pytest.mark.parametrize(
    ("path", "header"), [(path, None) for path in POSTS] + [("/rank", one) for one in WRONG[1:]]
)
def test_every_post_wants_the_key(guarded: Service, path: str, header: str | None) -> None:
    headers = JSON | ({} if header is None else {"Authorization": header})
    response = guarded.client.post(path, content=REQUEST, headers=headers)
    assert "Authorization: Bearer" in is_error(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"


def test_guesses_of_one_client_wait_and_are_few_at_once(guarded: Service) -> None:
    def guess(number: int) -> int:
        headers = JSON | {"Authorization": f"Bearer {number}", "X-Forwarded-For": "192.0.2.1"}
        return guarded.client.post("/rank", content=REQUEST, headers=headers).status_code

    seen: set[int] = set()
    with ThreadPoolExecutor(40) as clients:
        while seen != {401, 429}:  # on a slow machine it takes more than one go
            seen |= set(clients.map(guess, range(40)))
            assert seen <= {401, 429}
    known = guarded.client.post("/rank", content=REQUEST, headers=JSON | KEY)
    assert known.status_code == 200


def test_a_key_has_a_name_in_the_log_and_the_metrics(serve: Callable[..., Service]) -> None:
    service = serve(CLIP_API_KEY="app:3a9f, laptop:77b1, bare-one")
    for key, name in (("3a9f", "app"), ("77b1", "laptop"), ("bare-one", "unnamed")):
        headers = JSON | {"Authorization": f"Bearer {key}"}
        assert service.client.post("/rank", content=REQUEST, headers=headers).status_code == 200
        assert f'"key":"{name}"' in service.log().splitlines()[-1]
        assert (
            f'clip_ranker_requests_total{{key="{name}"}} 1.0' in service.client.get("/metrics").text
        )
    for wrong in ("app:3a9f", "app", "unnamed", ":3a9f"):
        headers = JSON | {"Authorization": f"Bearer {wrong}"}
        is_error(service.client.post("/rank", content=REQUEST, headers=headers), 401)
    assert "3a9f" not in service.log()


@pytest.mark.parametrize("key", ["first-key", "second-key"])
def test_any_of_the_keys_will_do(guarded: Service, key: str) -> None:
    headers = JSON | {"Authorization": f"bearer {key}"}
    assert guarded.client.post("/rank", content=REQUEST, headers=headers).status_code == 200


def test_health_stays_open(guarded: Service) -> None:
    assert guarded.client.get("/healthz").text == "ok"
    assert guarded.client.get("/livez").status_code == 200


def test_cors_names_the_origins_and_exposes_the_headers(guarded: Service) -> None:
    preflight = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = guarded.client.options("/rank", headers=preflight)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    refused = guarded.client.options(
        "/rank", headers=preflight | {"Origin": "https://evil.example"}
    )
    assert "access-control-allow-origin" not in refused.headers
    unauthorised = guarded.client.post(
        "/rank", content=REQUEST, headers=JSON | {"Origin": "https://app.example"}
    )
    assert unauthorised.status_code == 401  # and the page may read why
    assert unauthorised.headers["access-control-allow-origin"] == "https://app.example"
    exposed = unauthorised.headers["access-control-expose-headers"]
    assert {"Retry-After", "Server-Timing"} <= set(exposed.split(", "))


def test_cors_is_off_by_default(service: Service) -> None:
    answer = service.client.get("/healthz", headers={"Origin": "https://app.example"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/vnd.bentoml+pickle",
        "application/octet-stream",
        "application/jsonx",
        "",
    ],
)
def test_only_json_is_taken(guarded: Service, kind: str) -> None:
    headers = KEY | {"Content-Type": kind}
    response = guarded.client.post("/rank", content=REQUEST, headers=headers)
    assert "application/json" in is_error(response, 415)


def test_what_a_page_sends_without_asking_first_is_refused(service: Service) -> None:
    """A ``no-cors`` fetch has no Content-Type that says what it is."""
    page = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    asked = service.client.build_request("POST", "/rank", content=REQUEST)
    assert "application/json" in is_error(service.client.send(asked), 415)
    refused = service.client.post("/rank", content=REQUEST, headers=JSON | page)
    assert "CLIP_CORS_ORIGINS" in is_error(refused, 403)


def test_what_pages_of_listed_origins_and_of_our_own_send_is_taken(guarded: Service) -> None:
    for page in (
        {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": guarded.url, "Sec-Fetch-Site": "same-origin"},
    ):
        answer = guarded.client.post("/rank", content=REQUEST, headers=KEY | JSON | page)
        assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_by_any_spelling_is_taken(guarded: Service, kind: str) -> None:
    headers = KEY | {"Content-Type": kind}
    assert guarded.client.post("/rank", content=REQUEST, headers=headers).status_code == 200


def test_a_body_over_the_limit_is_refused_by_its_announcement(guarded: Service) -> None:
    response = guarded.client.post("/rank", content=b" " * 400_001, headers=KEY | JSON)
    assert "400000" in is_error(response, 413)
    at_the_limit = REQUEST + b" " * (400_000 - len(REQUEST))
    assert guarded.client.post("/rank", content=at_the_limit, headers=KEY | JSON).status_code == 200


def connect(service: Service) -> socket.socket:
    url = httpx.URL(service.url)
    return socket.create_connection((url.host, url.port or 80), timeout=20)


def head(service: Service, *lines: str) -> bytes:
    start = ["POST /rank HTTP/1.1", "Host: x", "Content-Type: application/json"]
    return "\r\n".join([*start, "Authorization: Bearer first-key", *lines, "", ""]).encode()


def test_a_body_over_the_limit_is_refused_while_it_streams(guarded: Service) -> None:
    with connect(guarded) as client:
        client.sendall(head(guarded, "Transfer-Encoding: chunked"))
        for _ in range(5):  # 500 kB of a body that never ends
            client.sendall(b"186a0\r\n" + b" " * 100_000 + b"\r\n")
        assert b"413" in client.recv(100).split(b"\r\n")[0]


def test_a_body_that_does_not_come_is_a_408(guarded: Service) -> None:
    with connect(guarded) as client:
        client.sendall(head(guarded, "Content-Length: 1000") + b"{")
        assert b"408" in client.recv(100).split(b"\r\n")[0]


def test_more_requests_at_once_than_the_limit_get_429(
    guarded: Service, images: ImageServer
) -> None:
    slow = {
        "query_image_base64": base64.b64encode(CAT).decode(),
        "candidates": [{"auction_id": "1", "image_url": images.url("/slow?s=1&busy")}],
    }

    def ask(_: int) -> httpx.Response:
        return guarded.client.post("/rank", json=slow, headers=KEY)

    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(ask, range(6)))
    assert sorted({answer.status_code for answer in answers}) == [200, 429]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) == 2  # two had places, two waited for them
    assert int(refused[0].headers["retry-after"]) >= 1
    is_error(refused[0], 429)
    assert ask(0).status_code == 200  # and the places are free again


def test_the_whole_request_has_a_limit_and_answers_what_it_has(
    guarded: Service, images: ImageServer
) -> None:
    body = {
        "query_image_base64": base64.b64encode(CAT).decode(),
        "candidates": [
            {"auction_id": "late", "image_url": images.url("/slow?s=2.5&whole")},
            {"auction_id": "fine", "image_url": images.photo("coffee")},
        ],
    }
    answer = guarded.client.post("/rank", json=body, headers=KEY).json()
    assert [failure["auction_id"] for failure in answer["failed"]] == ["late"]
    assert [result["auction_id"] for result in answer["results"]] == ["fine"]


def test_a_client_that_hangs_up_stops_its_downloads(service: Service, images: ImageServer) -> None:
    body = json.dumps(
        {
            "query_image_base64": base64.b64encode(CAT).decode(),
            "max_concurrency": 2,
            "candidates": [
                {"auction_id": str(n), "image_url": images.url(f"/slow?s=0.3&hangup={n}")}
                for n in range(40)
            ],
        }
    ).encode()
    before = images.hits["/slow"]
    with connect(service) as client:
        client.sendall(head(service, f"Content-Length: {len(body)}") + body)
        end = time.monotonic() + 10
        while images.hits["/slow"] == before:
            assert time.monotonic() < end
            time.sleep(0.01)
    wait_until(lambda: '"status":499' in service.log(), service.log)
    service.wait_until_idle()
    assert images.hits["/slow"] - before < 40


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/rank", 405),
        ("DELETE", "/rank", 405),
        ("POST", "/x", 404),
    ],
)
def test_errors_of_the_framework_have_the_same_shape(
    service: Service, method: str, path: str, status: int
) -> None:
    is_error(service.client.request(method, path), status)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"1" * 5000])
def test_what_is_no_request_is_a_400(service: Service, body: bytes) -> None:
    is_error(service.client.post("/rank", content=body, headers=JSON), 400)


def test_the_log_of_a_400_holds_nothing_of_the_request(service: Service) -> None:
    secret = "in-the-request-only"
    body = {"query_image_base64": secret, "candidates": [{"auction_id": 1, "image_url": secret}]}
    is_error(service.client.post("/rank", json=body), 400)
    assert '"status":400' in service.log()
    assert secret not in service.log()
    assert "Traceback" not in service.log()


def test_made_up_paths_leave_no_trace_in_the_metrics(service: Service) -> None:
    def size() -> int:
        return len(service.client.get("/metrics").text.splitlines())

    service.client.get("/made-up/first")
    before = size()
    for number in range(50):
        service.client.get(f"/made-up/{number}")
    assert size() == before
    metrics = service.client.get("/metrics").text
    assert "made-up" not in metrics
    assert "clip_ranker_requests_refused_total" in metrics


def test_requests_leave_little_memory_behind(service: Service) -> None:
    (api,) = (one for one in service.processes() if "ClipRanker" in " ".join(one.cmdline()))

    ask_for_health(service, 1000)
    before = api.memory_info().rss
    ask_for_health(service, 4000)
    # BentoML keeps a timer of each for a while: 1 KB, but 5 KB with its traces.
    assert api.memory_info().rss < before + 4000 * 2000


def test_a_path_cannot_forge_lines_of_the_log(service: Service) -> None:
    service.client.get("/x%0aforged line %1b[31m" + "y" * 5000)
    assert "\nforged" not in service.log()
    assert "\x1b" not in service.log()
    assert "y" * 500 not in service.log()


@pytest.mark.parametrize(
    ("path", "headers", "content", "status"),
    [
        ("/rank", JSON, REQUEST, 401),
        ("/rank", KEY | JSON, b"{}", 400),
        ("/rank", KEY | JSON, b" " * 400_001, 413),
        ("/rank/stream", KEY | {"Content-Type": "text/plain"}, REQUEST, 415),
        ("/nothing/here?secret", KEY | JSON, REQUEST, 404),
    ],
)
def test_a_refused_request_has_its_one_line_in_the_log(
    guarded: Service, path: str, headers: dict[str, str], content: bytes, status: int
) -> None:
    before = len(guarded.log())
    response = guarded.client.post(path, content=content, headers=headers)
    assert response.status_code == status
    of_this_path = f'"path":"{path.partition("?")[0]}"'
    (line,) = (line for line in guarded.log()[before:].splitlines() if of_this_path in line)
    line = json.loads(line)
    assert (line["method"], line["status"]) == ("POST", status)
    assert line["error"] == response.json()["error"]
    assert "secret" not in guarded.log()


def test_reading_that_succeeds_fills_no_log(guarded: Service) -> None:
    before = guarded.log()
    for path in ("/healthz", "/metrics", "/docs.json", "/livez"):
        assert guarded.client.get(path).status_code == 200
    assert guarded.log() == before


def test_headers_that_are_no_text_break_nothing(service: Service) -> None:
    for headers in ([(b"Content-Type", b"\xff")], [*JSON.items(), (b"Authorization", b"\xff\xfe")]):
        response = service.client.post("/x%0aforged line", content=b"{}", headers=headers)
        is_error(response, 415 if headers[0][0] == b"Content-Type" else 404)
        assert service.client.get("/static/", headers=headers).status_code == 404
    trace = [(b"traceparent", b"00-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01")]
    for name in (b"tracestate", b"baggage"):
        odd = [(name, b"quoted\x85\x9b=x," * 500)]
        assert service.client.get("/healthz", headers=trace + odd).text == "ok"
    assert "quoted" not in service.log()
    assert 'File "' not in service.log()
    assert "\nforged" not in service.log()


def test_nothing_is_sent_on_to_another_path(service: Service) -> None:
    response = service.client.post("/rank/", content=REQUEST, headers=JSON)
    is_error(response, 404)
    assert "location" not in response.headers


def test_a_refused_preflight_has_the_one_shape(service: Service) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    said = is_error(service.client.options("/rank", headers=headers), 400)
    assert "CLIP_CORS_ORIGINS" in said


@pytest.mark.parametrize("target", ["http://clip.example/rank", "HTTPS://x:9/rank?y=1"])
def test_a_target_in_absolute_form_is_taken(service: Service, target: str) -> None:
    with connect(service) as client:
        lines = [f"POST {target} HTTP/1.1", "Host: x", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(REQUEST)}", "", ""]
        client.sendall("\r\n".join(lines).encode() + REQUEST)
        assert b" 200 " in client.recv(100).split(b"\r\n")[0]


def test_a_body_of_very_many_values_is_not_parsed(service: Service) -> None:
    body = b'{"candidates": [], "query_image_url": "x", "more": [' + b"[1]," * 100_000 + b"1]}"
    assert "values" in is_error(service.client.post("/rank", content=body, headers=JSON), 400)


def test_base64_of_other_characters_is_refused_before_anything_else(service: Service) -> None:
    many = {"query_image_base64": "\N{GRINNING FACE}" * 1000, "candidates": []}
    assert "base64" in is_error(service.client.post("/rank", json=many), 400)


def test_one_client_leaves_room_for_others(
    serve: Callable[..., Service], images: ImageServer
) -> None:
    service = serve(CLIP_MAX_REQUESTS="4", CLIP_DOWNLOAD_TIMEOUT_S="60")
    photo = base64.b64encode(CAT).decode()
    url = images.url("/held/cat?room")
    slow = {"query_image_base64": photo, "candidates": [{"auction_id": "1", "image_url": url}]}

    def ask(client: str, body: dict[str, object]) -> int:
        headers = {"X-Forwarded-For": client}
        return service.client.post("/rank", json=body, headers=headers).status_code

    images.release.clear()
    try:
        with ThreadPoolExecutor(12) as clients:
            greedy = [clients.submit(ask, "203.0.113.1", slow) for _ in range(12)]
            wait_until(lambda: sum(one.done() for one in greedy) == 12 - 3)
            assert {one.result() for one in greedy if one.done()} == {429}
            assert ask("203.0.113.2", {"query_image_base64": photo, "candidates": []}) == 200
            images.release.set()
            assert [one.result() for one in greedy].count(200) == 3
    finally:
        images.release.set()
