"""One picture under many URLs, as clients see it."""

import json

from PIL import ImageOps

from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode, picture
from tests.running import Service

CAT = "example:cat"


def listings(images: ImageServer) -> list[dict[str, object]]:
    """A cat twice, a coffee three times, a rocket."""
    names = ["coffee", "cat", "coffee", "rocket", "cat", "coffee"]
    urls = [images.put(f"/relisted/{n}", PHOTOS[name]) for n, name in enumerate(names)]
    return [{"auction_id": n, "image_url": url} for n, url in enumerate(urls)]


def test_listings_with_one_picture_have_one_score_and_one_group(
    service: Service, images: ImageServer
) -> None:
    request = {"query_image_url": CAT, "candidates": listings(images)}
    answer = service.client.post("/rank", json=request).json()
    assert answer["meta"]["duplicates"] == 3
    by_id = {result["auction_id"]: result for result in answer["results"]}
    assert [by_id[n].get("group") for n in (1, 4)] == [1, 1]
    assert by_id[0]["group"] == by_id[2]["group"] == by_id[5]["group"] == 2
    assert "group" not in by_id[3]
    assert not any("duplicates" in result for result in answer["results"])
    for same in ((1, 4), (0, 2, 5)):
        assert len({by_id[n]["score"] for n in same}) == 1

    grouped = service.client.post("/rank", json={**request, "group_duplicates": True}).json()
    assert grouped["meta"]["duplicates"] == 3
    assert grouped["meta"]["succeeded"] == 6
    assert {one["auction_id"]: one["duplicates"] for one in grouped["results"]} == {
        1: [4],
        0: [2, 5],
        3: [],
    }
    assert [one["rank"] for one in grouped["results"]] == [1, 2, 3]
    best = service.client.post(
        "/rank", json={**request, "group_duplicates": True, "top_k": 1}
    ).json()
    assert best["results"] == grouped["results"][:1]


def test_a_stream_tells_each_listing_and_answers_groups(
    service: Service, images: ImageServer
) -> None:
    request = {"query_image_url": CAT, "candidates": listings(images), "group_duplicates": True}
    text = service.client.post("/rank/stream", json=request).text
    lines = [json.loads(line) for line in text.splitlines()]
    assert sorted(line["index"] for line in lines[:-1]) == list(range(6))
    assert (
        lines[-1]["answer"]["results"]
        == service.client.post("/rank", json=request).json()["results"]
    )


def test_a_smaller_copy_is_of_the_group_from_memory_too_and_a_mirror_image_is_not(
    service: Service, images: ImageServer
) -> None:
    coffee = picture("coffee")
    half = coffee.resize((coffee.width // 2, coffee.height // 2))
    files = [PHOTOS["coffee"], encode(half, quality=70), encode(ImageOps.mirror(coffee))]
    urls = [images.put(f"/copies/{n}", file) for n, file in enumerate(files)]
    for known in (0, 3):
        answer = service.ranked(query=PHOTOS["cat"], candidates=urls)
        assert answer["meta"]["cached"] == known
        assert answer["meta"]["duplicates"] == 1
        groups = {result["auction_id"]: result.get("group") for result in answer["results"]}
        assert groups == {"0": 1, "1": 1, "2": None}
