"""The most memory that requests within all limits can make the service take.

FAULTS_MODEL chooses the model (tiny); what is asserted is what the load adds to the idle service.
Once with the default limits, once with those of ``deploy/env.example`` for a VPS with 2 GB.
"""

import os
from collections.abc import Callable

import pytest

from tests.faults.worst_load import ANSWERS, SMALL_LIMITS, worst_load
from tests.image_server import ImageServer
from tests.running import Service, pss_bytes
from tests.test_deployment import IN_THE_IMAGE

LIMITS = [
    ({}, 1_500_000_000),  # the sum in docs/operations.md
    (SMALL_LIMITS, 980_000_000),  # CLIP_MEM_LIMIT=1500m, less what ViT-B/32 takes idle
]


@pytest.mark.parametrize(("limits", "most_added_bytes"), LIMITS, ids=["default", "2gb"])
def test_memory_under_the_worst_load_within_the_limits(
    serve: Callable[..., Service],
    images: ImageServer,
    capsys: pytest.CaptureFixture[str],
    limits: dict[str, str],
    most_added_bytes: int,
) -> None:
    memory = {name: value for name, value in IN_THE_IMAGE.items() if name.startswith("MALLOC_")}
    model = os.environ.get("FAULTS_MODEL", "tiny")
    service = serve(model, CLIP_UPLOAD_TIMEOUT_S="600", **memory, **limits)
    seen = [pss_bytes(service.processes())]
    statuses = worst_load(
        service.url, images, limits, lambda: seen.append(pss_bytes(service.processes()))
    )
    idle, peak = seen[0], max(seen)
    with capsys.disabled():
        print(f"\nidle {idle / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB")
        print(f"statuses {dict(statuses)}")
    assert peak - idle < most_added_bytes
    assert set(statuses) <= ANSWERS
