"""8 bits pass when rankings stay what they were, and are refused when they do not."""

import logging
import re
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import bentoml
import numpy as np
import onnx
import pytest
import torch
from bentoml.exceptions import NotFound
from onnx import numpy_helper
from safetensors.torch import save_file

import import_model
from clip_ranker.decode import geometry
from clip_ranker.errors import ImportRefusedError, ModelNotFoundError
from clip_ranker.importing import export, gate, lean, parity, quantise, sources
from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder
from tests.conftest import ROOT, run_import

TINY = str(ROOT / "tests/models/tiny.json")


@pytest.fixture(scope="module")
def tiny() -> sources.Source:
    return sources.from_open_clip(TINY, "random")


@pytest.fixture(scope="module")
def graph(tiny: sources.Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    export.export(lean.towers(tiny)["lean"], export.two_pictures(tiny.preprocess), path)
    return path


def _coarse(graph: Path, path: Path) -> Path:
    """Weights of three values: what a bad quantisation does to a model."""
    model = onnx.load(graph)
    for tensor in model.graph.initializer:
        weight = numpy_helper.to_array(tensor)
        if weight.ndim == 2 and weight.dtype == np.float32:
            step = np.abs(weight).max()
            coarse = np.round(weight / step) * step
            tensor.CopyFrom(numpy_helper.from_array(coarse, tensor.name))
    onnx.save(model, path)
    return path


def test_random_weights_pass_and_the_numbers_come_back(
    tiny: sources.Source, graph: Path, tmp_path: Path
) -> None:
    path = tmp_path / "int8.onnx"
    agreement = quantise.quantise(graph, path, tiny.preprocess)
    gate.check(agreement)
    assert 0.99 <= agreement.worst_cosine < 1
    kinds = {tensor.data_type for tensor in onnx.load(path).graph.initializer}
    assert onnx.TensorProto.INT8 in kinds


def test_the_command_stores_what_ranks_as_fp32_does(
    graph: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    name = "openclip_tiny_random_int8"
    arguments = ["--model", TINY, "--weights", "random", "--precision", "int8"]
    with suppress(NotFound):
        bentoml.models.delete(name)  # of an earlier run
    ran = run_import(*arguments)
    assert ran.returncode == 0, ran.stderr
    assert f"stored {name}:" in ran.stdout
    assert "warning" not in ran.stderr  # random weights are not expected to mean anything
    measured = bentoml.models.get(name).info.metadata["measured"]
    assert set(measured) == {"worst_cosine", "top_1", "top_10", "kendall_tau", "recall_at_1"}
    model = store.load(name)
    assert model.precision == "int8"
    pictures = np.stack([geometry.to_pixels(p, model.preprocess) for p in parity.photographs()])
    in_8_bits, exact = Encoder(model.graph)(pictures), Encoder(graph)(pictures)
    assert (in_8_bits * exact).sum(axis=1).min() >= gate.BARS.worst_cosine
    assert np.allclose(in_8_bits @ in_8_bits.T, exact @ exact.T, atol=0.05)
    with caplog.at_level(logging.ERROR):  # puts back the level that it sets
        assert import_model.main(arguments) == 0
    assert f"already in the store: {name}:" in capfd.readouterr().out


def test_weights_that_8_bits_ruin_are_refused_by_the_command(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    import open_clip

    torch.manual_seed(0)
    open_clip.add_model_config(TINY)
    clip = open_clip.create_model("tiny", pretrained=None)
    visual = clip.visual
    width = visual.conv1.out_channels
    with torch.no_grad():
        # A channel that is always zero: its huge weights change nothing in float, but all other
        # weights of their row are lost beside them in steps of 8 bits. No norm stands before it.
        for block in visual.transformer.resblocks:
            block.attn.in_proj_weight[2 * width] = block.attn.in_proj_bias[2 * width] = 0
            block.attn.out_proj.weight[:, 0] = 1e3
            block.mlp.c_fc.weight[0] = block.mlp.c_fc.bias[0] = 0
            block.mlp.c_proj.weight[:, 0] = 1e3
    checkpoint = tmp_path / "weights.safetensors"
    save_file({name: w.contiguous() for name, w in clip.state_dict().items()}, checkpoint)
    arguments = ["--model", TINY, "--pretrained", str(checkpoint), "--precision", "int8"]
    with caplog.at_level(logging.ERROR):  # puts back the level that it sets
        assert import_model.main([*arguments, "--name", "ruined"]) == 1
    errors = capfd.readouterr().err
    assert "in 8 bits this model ranks differently" in errors
    assert "(at least 0.99)" in errors
    with pytest.raises(ModelNotFoundError):
        store.load("ruined")


def test_the_gate_meets_photographs_that_the_ranges_were_not_fixed_on() -> None:
    assert 2 * len(quantise.calibration()) <= len(list(parity.photographs()))


def test_the_bars_are_told() -> None:
    page = (ROOT / "docs/models.md").read_text()
    bars = page[page.index("below any of these bars") :]
    told = re.findall(r"^\|[^|]*\| ([\d.]+) \|$", bars[: bars.index("## ")], re.M)
    assert [float(bar) for bar in told] == list(asdict(gate.BARS).values())


def test_weights_use_seven_bits(tiny: sources.Source, graph: Path, tmp_path: Path) -> None:
    path = tmp_path / "int8.onnx"
    quantise.quantise(graph, path, tiny.preprocess)
    weights = [
        numpy_helper.to_array(tensor)
        for tensor in onnx.load(path).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2
    ]
    assert weights
    assert max(int(np.abs(weight.astype(int)).max()) for weight in weights) <= 64


def test_a_pictures_vector_does_not_depend_on_its_neighbours(
    tiny: sources.Source, graph: Path, tmp_path: Path
) -> None:
    path = tmp_path / "int8.onnx"
    quantise.quantise(graph, path, tiny.preprocess)
    encoder = Encoder(path)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    pixels[1] = 255
    assert np.allclose(encoder(pixels)[:1], encoder(pixels[:1]), atol=1e-6)


def test_the_layers_that_are_not_asked_for_stay_in_float(graph: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    layers = quantise.by_outliers(graph, pixels)
    quantise.in_8_bits(graph, tmp_path / "int8.onnx", pixels, layers[3:])
    model = onnx.load(tmp_path / "int8.onnx")
    floats = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    kept = {node.name for node in model.graph.node if floats & set(node.input[1:])}
    assert set(layers[:3]) <= kept
    assert not set(layers[3:]) & kept


def test_a_matrix_for_each_head_stays_in_float(graph: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    quantise.in_8_bits(graph, tmp_path / "int8.onnx", pixels, quantise.by_outliers(graph, pixels))
    tensors = onnx.load(tmp_path / "int8.onnx").graph.initializer
    kinds = [tensor.data_type for tensor in tensors if tensor.name in ("last.keys", "last.values")]
    assert kinds == [onnx.TensorProto.FLOAT] * 2


def test_coarse_weights_are_refused_with_the_numbers(
    tiny: sources.Source, graph: Path, tmp_path: Path
) -> None:
    coarse = Encoder(_coarse(graph, tmp_path / "coarse.onnx"))
    agreement = gate.measure(Encoder(graph), coarse, tiny.preprocess)
    with pytest.raises(ImportRefusedError, match=r"worst_cosine \S+ \(at least 0\.99\).*tau"):
        gate.check(agreement)


def test_agreement_counts_what_it_says() -> None:
    wanted = np.array([[0.9, 0.8, 0.7, 0.1]], np.float32)
    swapped = np.array([[0.8, 0.9, 0.7, 0.1]], np.float32)
    assert gate.agreement(wanted, wanted, worst_cosine=1) == gate.Agreement(1, 1, 1, 1)
    other = gate.agreement(wanted, swapped, worst_cosine=1)
    assert (other.top_1, other.top_10) == (0, 1)
    assert other.kendall_tau == pytest.approx(4 / 6)
    tie = np.array([[0.9, 0.899, 0.7, 0.1]], np.float32)
    assert gate.agreement(tie, swapped, worst_cosine=1).top_1 == 1


@pytest.mark.parametrize("name", ["worst_cosine", "top_1", "top_10", "kendall_tau"])
def test_each_bar_alone_refuses(name: str) -> None:
    from dataclasses import replace

    perfect = gate.Agreement(1, 1, 1, 1)
    gate.check(perfect)
    for bad in (0.5, float("nan")):
        with pytest.raises(ImportRefusedError, match=name):
            gate.check(replace(perfect, **{name: bad}))
