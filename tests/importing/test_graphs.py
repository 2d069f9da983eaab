"""Kinds of image towers and of pixels that other models bring, each through export and parity."""

import json
from pathlib import Path
from typing import Any

import pytest

from clip_ranker.importing import graphs, sources, weights
from clip_ranker.importing.weights import Weights
from tests.conftest import ROOT

TINY = json.loads((ROOT / "tests/models/tiny.json").read_text())
HALF = (0.5, 0.5, 0.5)
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "siglip": (
        {"timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none", "image_size": 160},
        {"mean": HALF, "std": HALF, "interpolation": "bicubic", "resize_mode": "squash"},
    ),
    "mobileclip": (
        {"timm_model_name": "test_convnext", "timm_proj": "linear", "image_size": 160},
        {
            "mean": (0.0, 0.0, 0.0),
            "std": (1.0, 1.0, 1.0),
            "interpolation": "bilinear",
            "resize_mode": "shortest",
        },
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_trunk_of_timm_exports_with_the_pixels_of_its_makers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    vision, published = KINDS[kind]
    config = TINY | {"embed_dim": 64, "custom_text": True, "vision_cfg": vision}
    path = tmp_path / f"small_{kind}.json"
    path.write_text(json.dumps(config))
    monkeypatch.setattr(weights, "find", lambda *_: Weights(None, published))
    source = sources.from_open_clip(str(path), weights.RANDOM)
    assert source.preprocess.resize_mode == published["resize_mode"]
    assert source.preprocess.interpolation == published["interpolation"]
    assert source.preprocess.std == published["std"]
    parity = graphs.export_leanest(source, tmp_path / "model.onnx")
    assert parity.different_pixels == 0
    assert parity.worst_cosine >= 0.99999


@pytest.mark.parametrize(
    ("model", "mode", "mean"),
    [
        ("ViT-B-16-SigLIP2", "squash", 0.5),
        ("MobileCLIP2-S0", "shortest", 0.0),
        ("ViT-B-32", "shortest", pytest.approx(0.4815, abs=1e-4)),
    ],
)
def test_random_weights_want_pixels_as_the_published_ones_do(
    model: str, mode: str, mean: float
) -> None:
    published = weights.find(model, weights.RANDOM).published
    assert published["resize_mode"] == mode
    assert published["mean"][0] == mean
