"""Requests within all limits that take as much memory as any can."""

import base64
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

import httpx
from PIL import Image

from clip_ranker.settings import Settings
from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode
from tests.running import HANGS_S, ROOT

EXAMPLE = (ROOT / "deploy" / "env.example").read_text()
SMALL_LIMITS = dict(re.findall(r"^#(CLIP_\w+)=(.+)$", EXAMPLE, re.MULTILINE))
"""For a machine with 2 GB."""
REQUESTS = 32
LASTS_S = 20
ANSWERS = {200, 400, 408, 429, 503}
"""As documented; 408 where this machine sends too slowly."""
LONGEST_PHOTO_BYTES = 9_990_000


def worst_load(
    url: str, images: ImageServer, limits: Mapping[str, str], watch: Callable[[], None]
) -> Counter[int]:
    """Asks for 200 pictures each that are as heavy, or as wide, as the limits allow.

    Args:
        url: of the service.
        images: serves the pictures.
        limits: settings of the service that differ from their defaults.
        watch: called ten times a second, until the last is answered.

    Returns:
        How many had which status, 0 for an answer that broke off.
    """
    set_to = Settings(**{name.removeprefix("CLIP_").lower(): limits[name] for name in limits})
    most_bytes = set_to.max_download_bytes
    heavy = images.put("/heavy.jpg", PHOTOS["cat"].ljust(most_bytes - 100, b"\0"))
    wide = Image.new("RGB", (4000, set_to.max_pixels // 4000))
    wide_url = images.put("/wide.webp", encode(wide, "WEBP", lossless=True))
    photo_bytes = min(LONGEST_PHOTO_BYTES, most_bytes - 100)
    photo = base64.b64encode(PHOTOS["cat"].ljust(photo_bytes, b"\0")).decode()
    statuses: Counter[int] = Counter()

    def ask(number: int) -> None:
        # Of the photos, a third longer in base64, as many fit as bodies may be held at once.
        query = {"query_image_base64": photo} if number < 8 else {"query_image_url": wide_url}
        candidates = [
            {"auction_id": str(n), "image_url": f"{(heavy, wide_url)[n % 4 == 0]}?own={number}.{n}"}
            for n in range(200)
        ]
        body = query | {
            "candidates": candidates,
            "max_concurrency": 50,
            "image_resize": 2048,
            "deadline_ms": LASTS_S * 1000,
        }
        client = {"X-Forwarded-For": f"203.0.113.{number}"}  # one alone would not get all places
        try:
            response = httpx.post(
                f"{url}/rank", json=body, headers=client, timeout=HANGS_S, trust_env=False
            )
        except httpx.TransportError:
            statuses[0] += 1
        else:
            statuses[response.status_code] += 1

    threads = [
        threading.Thread(target=ask, args=(number,), daemon=True) for number in range(REQUESTS)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        watch()
        time.sleep(0.1)
    return statuses
