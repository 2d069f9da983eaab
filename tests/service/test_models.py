"""A service with several models: each request is ranked with the one it names."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.image_server import ImageServer
from tests.photos import PHOTOS
from tests.running import Service

CAT = PHOTOS["cat"]
NAMES = ["tiny", "efficientnet_lite0", "tiny_views"]


def ranked(service: Service, urls: list[str], **more: Any) -> dict[str, Any]:
    return service.ranked(query=CAT, candidates=urls, **more)


def test_what_is_told_of_the_models(patient: Service) -> None:
    said = patient.client.get("/models").json()
    assert said["default"] == "tiny"
    assert [one["name"] for one in said["models"]] == NAMES
    tiny, starter, three_views = said["models"]
    assert (tiny["width_px"], tiny["height_px"], tiny["precision"]) == (64, 64, "fp32")
    assert (starter["width_px"], starter["height_px"], starter["dim"]) == (320, 320, 1280)
    assert "EfficientNet-Lite0" in starter["source"]
    assert (three_views["width_px"], three_views["source"]) == (
        92,
        f"{tiny['source']}, three views",
    )
    assert [one["digest"].partition("-")[2] for one in said["models"]] == ["", "", "views"]
    for one in said["models"]:
        assert len(one["digest"].partition("-")[0]) == 64
        assert (one["calibrated"], one["text"]) == (False, False)
        assert one["measured"]["worst_cosine"] > 0.999


def test_the_model_that_is_named_ranks_and_its_vectors_are_its_own(
    patient: Service, images: ImageServer
) -> None:
    urls = [images.put(f"/models/{name}", PHOTOS[name]) for name in ("coffee", "cat", "rocket")]
    by_name = {name: ranked(patient, urls, model=name) for name in NAMES}
    assert [by_name[name]["meta"]["model"] for name in NAMES] == NAMES
    assert [by_name[name]["meta"]["cached"] for name in NAMES] == [0, 0, 0]
    tiny, starter, three_views = (
        {one["auction_id"]: one["score"] for one in by_name[name]["results"]} for name in NAMES
    )
    assert tiny.keys() == starter.keys() == three_views.keys()
    assert tiny["0"] != pytest.approx(starter["0"], abs=1e-3)
    assert tiny["0"] != pytest.approx(three_views["0"], abs=1e-5)
    for name in (*NAMES, None):
        again = ranked(patient, urls, model=name)
        assert again["meta"]["cached"] == 3
        assert again["results"] == by_name[name or "tiny"]["results"]


def test_a_cache_is_warmed_for_the_model_that_will_be_asked(
    patient: Service, images: ImageServer
) -> None:
    listed = [{"auction_id": "A", "image_url": images.put("/models/warm", PHOTOS["moon"])}]
    body = {"candidates": listed, "model": NAMES[1]}
    assert patient.client.post("/prefetch", json=body).json()["accepted"] == 1
    patient.wait_until_idle()
    assert patient.client.post("/prefetch", json=body).json()["known"] == 1
    assert patient.client.post("/prefetch", json={"candidates": listed}).json()["accepted"] == 1


def test_a_model_that_is_not_in_the_store_ends_the_start(stored: Callable[[str], str]) -> None:
    models = {"CLIP_MODEL": stored("tiny"), "CLIP_MODELS": "tiny,nobody"}
    started = subprocess.run(
        [sys.executable, "-c", "import service"],
        cwd=ROOT,
        env=os.environ | models,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    *_, last = started.stderr.splitlines()
    assert "no model 'nobody' in the BentoML store" in last
    assert "CLIP_MODELS" in last


@pytest.mark.parametrize("path", ["/rank", "/rank/stream", "/prefetch"])
def test_a_model_that_is_not_served_is_a_bad_request(patient: Service, path: str) -> None:
    body = {"query_image_url": "example:cat", "candidates": [], "model": "openclip_vit_b32"}
    refused = patient.client.post(path, json=body)
    assert refused.status_code == 400
    why = "there is no such model here, choose one of tiny, efficientnet_lite0, tiny_views"
    assert refused.json() == {
        "error": f"model: {why}",
        "detail": [{"field": "model", "message": why}],
    }
