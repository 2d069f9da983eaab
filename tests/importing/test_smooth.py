"""Outliers behind layer norms cost nothing in fp32, and no layer in 8 bits."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from clip_ranker.decode import geometry
from clip_ranker.importing import export, lean, parity, quantise, smooth, sources
from clip_ranker.models.encoder import Encoder
from tests.conftest import ROOT

OUTLYING, FACTOR = 6, 30
"""Channels of 64, as published CLIP weights have them and random ones have not."""


@pytest.fixture(scope="module")
def tiny() -> sources.Source:
    """Random weights of which some channels stand out between a norm and what reads it."""
    source = sources.from_open_clip(str(ROOT / "tests/models/tiny.json"), "random")
    visual = source.tower.features
    with torch.no_grad():
        for block in visual.transformer.resblocks:
            for norm, weight in (
                (block.ln_1, block.attn.in_proj_weight),
                (block.ln_2, block.mlp.c_fc.weight),
            ):
                norm.weight[:OUTLYING] *= FACTOR
                norm.bias[:OUTLYING] *= FACTOR
                weight[:, :OUTLYING] /= FACTOR
    return source


@pytest.fixture(scope="module")
def graph(tiny: sources.Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    export.export(lean.towers(tiny)["lean"], export.two_pictures(tiny.preprocess), path)
    return path


def test_in_fp32_nothing_changes(tiny: sources.Source, graph: Path, tmp_path: Path) -> None:
    pixels = np.stack([geometry.to_pixels(p, tiny.preprocess) for p in parity.photographs()])
    model = onnx.load(graph)
    smooth.smooth(model, pixels[::2], 4)
    onnx.save(model, tmp_path / "smooth.onnx")
    new = {tensor.name for tensor in model.graph.initializer}
    new -= {tensor.name for tensor in onnx.load(graph).graph.initializer}
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    # Two of the first block, the class token's own and the second of the last, and the final one.
    assert sum(node.input[1] in new for node in norms) == 5
    assert np.allclose(Encoder(tmp_path / "smooth.onnx")(pixels), Encoder(graph)(pixels), atol=1e-5)


def test_no_layer_has_to_stay_in_float(tiny: sources.Source, graph: Path, tmp_path: Path) -> None:
    path = tmp_path / "int8.onnx"
    assert quantise.quantise(graph, path, tiny.preprocess).worst_cosine >= 0.995
    tensors = onnx.load(path).graph.initializer
    kinds = [numpy_helper.to_array(one).dtype for one in tensors if len(one.dims) == 2]
    assert kinds.count(np.dtype(np.int8)) >= 12  # of two blocks, patches and projection
    assert np.dtype(np.float32) not in {
        numpy_helper.to_array(one).dtype
        for one in tensors
        if len(one.dims) == 2 and "position" not in one.name
    }
