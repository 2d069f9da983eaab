"""The most memory that requests within all limits can make the service take.

FAULTS_MODEL chooses the model (tiny); what is asserted is what the load adds to the idle service.
"""

import base64
import os
import threading
import time
from collections import Counter
from collections.abc import Callable

import httpx
import psutil
import pytest
from PIL import Image

from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode
from tests.running import HANGS_S, Service
from tests.test_deployment import IN_THE_IMAGE

REQUESTS = 32
LASTS_S = 20
MOST_ADDED_BYTES = 1_500_000_000
"""The sum in docs/operations.md."""


def proportional_bytes(service: Service) -> int:
    """PSS of all processes of the service: shared pages count once."""
    total = 0
    for process in service.processes():
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def test_memory_under_the_worst_load_within_the_limits(
    serve: Callable[..., Service], images: ImageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    heavy = images.put("/heavy.jpg", PHOTOS["cat"].ljust(9_999_900, b"\0"))
    wide = images.put("/wide.webp", encode(Image.new("RGB", (8000, 6250)), "WEBP", lossless=True))
    photo = base64.b64encode(PHOTOS["cat"].ljust(9_990_000, b"\0")).decode()
    memory = {name: value for name, value in IN_THE_IMAGE.items() if name.startswith("MALLOC_")}
    service = serve(os.environ.get("FAULTS_MODEL", "tiny"), CLIP_UPLOAD_TIMEOUT_S="600", **memory)
    idle = peak = proportional_bytes(service)
    statuses: Counter[int] = Counter()

    def ask(number: int) -> None:
        # Seven photos of 13 MB each in base64 fit into the bodies the service holds at once.
        query = {"query_image_base64": photo} if number < 8 else {"query_image_url": wide}
        candidates = [
            {"auction_id": str(n), "image_url": f"{(heavy, wide)[n % 4 == 0]}?own={number}.{n}"}
            for n in range(200)
        ]
        body = query | {
            "candidates": candidates,
            "max_concurrency": 50,
            "image_resize": 2048,
            "deadline_ms": LASTS_S * 1000,
        }
        client = {"X-Forwarded-For": f"203.0.113.{number}"}  # one alone would not get all places
        response = httpx.post(
            f"{service.url}/rank", json=body, headers=client, timeout=HANGS_S, trust_env=False
        )
        statuses[response.status_code] += 1

    threads = [
        threading.Thread(target=ask, args=(number,), daemon=True) for number in range(REQUESTS)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 4 * LASTS_S  # what has begun is finished, for the cache
    while time.monotonic() < end and any(thread.is_alive() for thread in threads):
        peak = max(peak, proportional_bytes(service))
        time.sleep(0.1)
    with capsys.disabled():
        print(f"\nidle {idle / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB")
        print(f"statuses {dict(statuses)}")
    assert peak - idle < MOST_ADDED_BYTES
    assert set(statuses) <= {200, 400, 408, 429, 503}  # 408: this machine sends too slowly
