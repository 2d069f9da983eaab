"""The second look at the first listings, as clients see it."""

import base64
import json
from collections.abc import Callable
from typing import Any

from PIL import ImageOps

from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode, picture
from tests.running import Service


def test_the_very_thing_goes_first_where_it_is_wanted_and_nowhere_else(
    service: Service, serve: Callable[..., Service], images: ImageServer
) -> None:
    framed = ImageOps.expand(picture("cat").reduce(2), 150, "blue")
    blurred = picture("cat").resize((12, 8)).resize((451, 300))
    urls = [
        images.put(f"/local/{name}", encode(one, "PNG"))
        for name, one in (("blurred", blurred), ("framed", framed))
    ]
    request: dict[str, Any] = {
        "query_image_base64": base64.b64encode(PHOTOS["cat"]).decode(),
        "candidates": [{"auction_id": n, "image_url": url} for n, url in enumerate(urls)],
    }
    plain = service.client.post("/rank", json=request)
    assert [one["auction_id"] for one in plain.json()["results"]] == [0, 1]
    assert "agreeing_points" not in plain.text

    again = serve(CLIP_LOCAL_FEATURES="true")
    first, second = again.client.post("/rank", json=request).json()["results"]
    assert (first["auction_id"], second["auction_id"]) == (1, 0)
    assert (first["rank"], second["rank"]) == (1, 2)
    assert first["agreeing_points"] >= 12
    assert "agreeing_points" not in second
    assert first["score"] < second["score"]
    streamed = again.client.post("/rank/stream", json=request).text
    *scored, answered = map(json.loads, streamed.splitlines())
    assert answered["answer"]["results"] == [first, second]  # out of the cache
    assert answered["answer"]["meta"]["cached"] == 2
    assert all("agreeing_points" not in event for event in scored)
    scores = {one["auction_id"]: one["score"] for one in plain.json()["results"]}
    assert {one["auction_id"]: one["score"] for one in scored} == scores
