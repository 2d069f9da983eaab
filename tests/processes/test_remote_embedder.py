"""The embedder served apart from the API, as a machine with more arithmetic would serve several."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx
import pytest

from clip_ranker.embed.packed import unpack
from clip_ranker.models import store
from clip_ranker.models.text import TextEncoder
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import Service, wait_until

CANDIDATES = ["example:cat", "example:coffee"]
SMALL = {"CLIP_CACHE_BYTES": "0", "CLIP_DECODE_THREADS": "1"}


class Apart(Service):
    """The embedder alone."""

    command = (*Service.command, "service:ClipEmbedder")

    def _ok(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.client.post("/check", json={}).text == "true"
        except httpx.TransportError:
            return False


class Between(ThreadingHTTPServer):
    """Stands before an embedder and refuses pictures, if told to; black ones, the probes, pass.

    Attributes:
        refusal: status that pictures get; with 400 it is the embedder that refuses, because they
            are meant for another model.
    """

    daemon_threads = True

    def __init__(self, embedder: httpx.Client) -> None:
        super().__init__(("127.0.0.1", 0), _Hand)
        self.embedder = embedder
        self.refusal = 0
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Hand(BaseHTTPRequestHandler):
    server: Between
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(body)
        pictures = "pixels" in asked and unpack(asked["pixels"]).any()
        refusal = self.server.refusal if pictures else 0
        if refusal == httpx.codes.BAD_REQUEST:
            body = json.dumps(asked | {"digest": "of another model"}).encode()
        if refusal in (0, httpx.codes.BAD_REQUEST):
            answer = self.server.embedder.post(
                self.path, content=body, headers={"Content-Type": "application/json"}
            )
            assert not refusal or answer.status_code == refusal
        else:
            answer = httpx.Response(refusal)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        pass


def _health(service: Service) -> int:
    return service.client.get("/healthz").status_code


def test_the_api_ranks_alike_and_is_as_well_as_the_embedder(
    stored: Callable[[str], str], serve: Callable[..., Service]
) -> None:
    ask = {"query": PHOTOS["cat"], "candidates": CANDIDATES}
    several = {"CLIP_MODELS": stored("efficientnet_lite0")}
    whole = serve(**several, **SMALL)
    model = {"CLIP_MODEL": stored("tiny"), **several}
    apart = Apart(model)
    with apart:
        api = serve(CLIP_EMBEDDER_URL=apart.url, **several, **SMALL)
        assert not [one for one in api.processes() if "ClipEmbedder" in " ".join(one.cmdline())]
        for name in model.values():
            answers = [one.ranked(**ask, model=name) for one in (api, whole)]
            assert [one["meta"]["model"] for one in answers] == [name, name]
            for mine, own in zip(*(one["results"] for one in answers), strict=True):
                assert mine == pytest.approx(own)
    # Nobody asks for a picture meanwhile, and still it is noticed.
    wait_until(lambda: _health(api) == httpx.codes.SERVICE_UNAVAILABLE, api.log)
    refused = api.rank(**ask)
    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert int(refused.headers["retry-after"]) > 0
    again = Apart(model, port=int(httpx.URL(apart.url).port or 0))
    with again:
        api.wait_until_ok()
        assert api.ranked(**ask)["meta"]["succeeded"] == len(CANDIDATES)


def test_texts_are_embedded_elsewhere_too(stored: Callable[[str], str]) -> None:
    """For the text tower that the API has, and no other."""
    tower = store.load(stored("tiny_text")).text
    assert tower is not None
    texts = ["レゴ 75192", "mug", "\ud800"]
    with Apart({"CLIP_MODEL": "tiny_text"}) as apart:
        asked = {"texts": json.dumps(texts), "key": tower.key, "name": "tiny_text"}
        packed = apart.client.post("/texts_packed", json=asked).text
        assert unpack(packed) == pytest.approx(TextEncoder(tower)(texts), abs=1e-5)
        other = asked | {"key": tower.key + " of another"}
        assert apart.client.post("/texts_packed", json=other).text == ""
        twin = asked | {"name": "tiny"}
        assert apart.client.post("/texts_packed", json=twin).text == ""
        assert apart.client.post("/check", json={}).text == "true"


def test_an_embedder_that_refuses_pictures_fails_no_listing(
    stored: Callable[[str], str], images: ImageServer
) -> None:
    settings = {"CLIP_MODEL": stored("tiny"), "CLIP_ALLOW_PRIVATE_HOSTS": images.host}
    with (
        Apart(settings) as apart,
        Between(apart.client) as between,
        Service(settings | {"CLIP_EMBEDDER_URL": between.url}) as api,
    ):
        ask = {"query_image_url": "example:cat"}  # from the first time on it is known
        assert api.ranked(**ask, candidates=["example:coffee"])["meta"]["succeeded"] == 1
        # The embedder has been updated already, or not yet; what is before it is full, or down.
        for between.refusal in (400, 429, 503, 0):
            url = images.url(f"/photo/rocket?{between.refusal}")
            answer = api.rank(**ask, candidates=[url])
            if between.refusal:
                assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
                assert int(answer.headers["retry-after"]) > 0
                api.wait_until_ok()
        assert answer.json()["meta"]["succeeded"] == 1
