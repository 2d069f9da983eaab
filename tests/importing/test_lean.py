"""The savings in the graph change nothing, whatever the weights and the variant of the model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from clip_ranker.importing import export, lean, sources
from clip_ranker.models.encoder import Encoder
from tests.conftest import ROOT

TINY = json.loads((ROOT / "tests/models/tiny.json").read_text())


def _source(folder: Path, vision: dict[str, Any], **top: Any) -> sources.Source:
    config = TINY | top | {"vision_cfg": TINY["vision_cfg"] | vision}
    path = folder / ("lean_" + "_".join([*vision, *top, "tiny"]) + ".json")
    path.write_text(json.dumps(config))
    source = sources.from_open_clip(str(path), "random")
    with torch.no_grad():  # fresh weights have no biases and norms that do nothing
        for weight in source.tower.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return source


def _encoder(tower: torch.nn.Module, source: sources.Source, path: Path) -> Encoder:
    export.export(tower, export.two_pictures(source.preprocess), path)
    return Encoder(path)


def _reference(source: sources.Source, pixels: np.ndarray) -> np.ndarray:
    mean, std = (torch.tensor(v) for v in (source.preprocess.mean, source.preprocess.std))
    normalised = (torch.from_numpy(pixels) / 255 - mean) / std
    with torch.no_grad():
        return source.encode(normalised.permute(0, 3, 1, 2)).numpy()


def _pixels(source: sources.Source) -> np.ndarray:
    shape = (3, source.preprocess.height, source.preprocess.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("vision", "top"),
    [
        ({}, {}),
        ({"ls_init_value": 0.5}, {}),
        ({"no_ln_pre": True}, {}),
        ({"final_ln_after_pool": True}, {}),
        ({"patch_dropout": 0.5}, {}),
        ({}, {"quick_gelu": True}),
    ],
)
def test_the_lean_graph_gives_open_clips_vectors(
    tmp_path: Path, vision: dict[str, Any], top: dict[str, Any]
) -> None:
    source = _source(tmp_path, vision, **top)
    encoder = _encoder(lean.towers(source)["lean"], source, tmp_path / "lean.onnx")
    pixels = _pixels(source)
    assert np.allclose(encoder(pixels), _reference(source, pixels), atol=1e-5)


@pytest.mark.parametrize(
    "vision",
    [
        {"pool_type": "avg"},
        {"attentional_pool": True},
        {"image_size": 60},
        {"qk_norm": True, "block_type": "custom"},
        {"timm_model_name": "test_vit", "timm_proj": "linear", "image_size": 160},
    ],
)
def test_other_towers_keep_the_plain_graph(tmp_path: Path, vision: dict[str, Any]) -> None:
    source = _source(tmp_path, vision)
    towers = lean.towers(source)
    assert list(towers) == ["plain"]
    encoder = _encoder(towers["plain"], source, tmp_path / "plain.onnx")
    pixels = _pixels(source)
    assert np.allclose(encoder(pixels), _reference(source, pixels), atol=1e-5)


def test_the_lean_graph_computes_only_the_class_token_at_the_end(tmp_path: Path) -> None:
    source = _source(tmp_path, {})
    tokens = {}
    for name, tower in lean.towers(source).items():
        path = tmp_path / f"{name}.onnx"
        export.export(tower, export.two_pictures(source.preprocess), path)
        graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
        shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
        matrices = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
        products = [
            shapes[node.output[0]]
            for node in graph.node
            if node.op_type in ("MatMul", "Gemm") and matrices & set(node.input)
        ]
        tokens[name] = [dims[1].dim_value for dims in products if len(dims) == 3]
    # Patches; query, key, value, output and the two of the perceptron; the same but key and value.
    assert tokens["lean"] == [16, *[17] * 6, *[1] * 4]
    assert tokens["plain"].count(17) == 4  # the perceptrons of both blocks
