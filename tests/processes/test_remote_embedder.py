"""The embedder served apart from the API, as a machine with more arithmetic would serve several."""

from collections.abc import Callable

import httpx
import numpy as np
import pytest

from clip_ranker.embed.packed import pack
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


def _health(service: Service) -> int:
    return service.client.get("/healthz").status_code


def test_the_api_ranks_alike_and_is_as_well_as_the_embedder(
    stored: Callable[[str], str], serve: Callable[..., Service]
) -> None:
    ask = {"query": PHOTOS["cat"], "candidates": CANDIDATES}
    whole = serve(**SMALL).ranked(**ask)
    model = {"CLIP_MODEL": stored("tiny")}
    apart = Apart(model)
    with apart:
        api = serve(CLIP_EMBEDDER_URL=apart.url, **SMALL)
        assert not [one for one in api.processes() if "ClipEmbedder" in " ".join(one.cmdline())]
        for mine, own in zip(api.ranked(**ask)["results"], whole["results"], strict=True):
            assert mine == pytest.approx(own)
        # One that has been updated already, or not yet.
        other = {"pixels": pack(np.zeros((1, 32, 32, 3), np.uint8)), "digest": "of another model"}
        assert apart.client.post("/embed_packed", json=other).status_code == 400
    # Nobody asks for a picture meanwhile, and still it is noticed.
    wait_until(lambda: _health(api) == httpx.codes.SERVICE_UNAVAILABLE, api.log)
    refused = api.rank(**ask)
    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert int(refused.headers["retry-after"]) > 0
    again = Apart(model, port=int(httpx.URL(apart.url).port or 0))
    with again:
        api.wait_until_ok()
        assert api.ranked(**ask)["meta"]["succeeded"] == len(CANDIDATES)
