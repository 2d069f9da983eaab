"""Many requests at once: none is lost and nothing grows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode, picture
from tests.running import Service

CLIENTS = 8
REQUESTS = 300
GROWTH_BYTES = 40_000_000
"""What allocators keep back after a hundred requests more or less; a leak of every picture's
pixels, 12 KB each, would show as 48 MB, one of every thumbnail as far more."""


def test_three_hundred_requests_of_twenty_from_eight_clients(
    serve: Callable[..., Service], images: ImageServer
) -> None:
    service = serve(
        CLIP_CACHE_BYTES="0",  # or nothing is left to do after the first request
        CLIP_DOWNLOAD_TIMEOUT_S="60",
        CLIP_REQUEST_TIMEOUT_S="600",
    )
    names = sorted(PHOTOS)
    for name in names:
        small = picture(name)
        small.thumbnail((240, 240))
        images.put(f"/thumbnail/{name}", encode(small))
    candidates = [images.url(f"/thumbnail/{names[n % len(names)]}") for n in range(19)]
    candidates.append(images.url("/gone"))
    photos = [images.files[f"/thumbnail/{name}"][0] for name in names]

    def memory() -> int:
        return sum(process.memory_full_info().uss for process in service.processes())

    def ask(number: int) -> tuple[int, int, int]:
        response = service.rank(query=photos[number % len(photos)], candidates=candidates)
        if response.status_code != 200:
            return response.status_code, 0, 0
        meta = response.json()["meta"]
        return 200, meta["succeeded"], meta["failed"]

    with ThreadPoolExecutor(CLIENTS) as clients:
        first = list(clients.map(ask, range(100)))
        after_100 = memory()
        rest = list(clients.map(ask, range(100, REQUESTS)))
        after_300 = memory()
    assert set(first + rest) == {(200, 19, 1)}
    assert after_300 - after_100 < GROWTH_BYTES
