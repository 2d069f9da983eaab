"""The command line of the import, as a user runs it."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing import command, export, lean, parity, sources
from clip_ranker.models import names, store
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


def test_importing_twice_leaves_one_copy(stored: Callable[[str], str]) -> None:
    stored("tiny")
    again = run_import("--model", TINY, "--weights", "random", "--name", "tiny")
    assert (again.returncode, again.stderr) == (0, "")
    assert "already in the store: tiny:" in again.stdout
    folder = Path(os.environ["BENTOML_HOME"]) / "models" / "tiny"
    assert len([entry for entry in folder.iterdir() if entry.is_dir()]) == 1


def test_a_graph_of_another_recipe_is_made_again(
    stored: Callable[[str], str], tiny: sources.Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stored("tiny")
    made = tiny.description, tiny.digest(), tiny.preprocess
    assert store.find(name, *made)
    assert store.find(name, "a twin with another activation", *made[1:]) is None
    monkeypatch.setattr(store, "RECIPE", store.RECIPE + 1)
    assert store.find(name, *made) is None
    assert store.load(name)  # and served until then


def test_a_stored_model_says_how_to_feed_it(stored: Callable[[str], str]) -> None:
    model = store.load(stored("tiny"))
    assert (model.preprocess.height, model.preprocess.width) == (64, 64)
    assert (model.preprocess.interpolation, model.preprocess.resize_mode) == ("bicubic", "shortest")
    assert model.preprocess.mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)
    assert model.dim == 32
    assert "tiny" in model.source
    assert len(model.digest) == 64


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_local_checkpoint_brings_its_own_weights(
    tiny: sources.Source, tmp_path: Path, suffix: str
) -> None:
    import open_clip

    torch.manual_seed(7)
    clip = open_clip.create_model("tiny", pretrained=None)
    checkpoint = tmp_path / f"weights.{suffix}"
    if suffix == "pt":
        torch.save(clip.state_dict(), checkpoint)
    else:
        save_file({name: w.contiguous() for name, w in clip.state_dict().items()}, checkpoint)
    source = sources.from_open_clip(TINY, str(checkpoint))
    assert source.digest() != tiny.digest()
    batch = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(source.tower(batch), clip.encode_image(batch, normalize=True))


def test_the_batch_is_dynamic_and_rows_have_unit_length(graph: Path) -> None:
    encoder = Encoder(graph)
    pixels = np.random.default_rng(0).integers(0, 256, (17, 64, 64, 3), np.uint8)
    together = encoder(pixels)
    one_by_one = np.concatenate([encoder(pixels[n : n + 1]) for n in range(17)])
    assert together.shape == (17, 32)
    assert np.allclose(together, one_by_one, atol=1e-6)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_parity_holds_and_reports_numbers(tiny: sources.Source, graph: Path) -> None:
    result = parity.check(tiny, graph)
    assert (result.pictures, result.different_pixels, result.dim) == (12, 0, 32)
    assert result.worst_cosine >= 0.99999


def test_a_graph_of_other_weights_is_refused_with_the_numbers(graph: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = sources.from_open_clip(TINY, "random")
    with torch.no_grad():
        for weight in other.tower.parameters():
            weight.add_(torch.randn_like(weight) * 0.02)
    with pytest.raises(ImportRefusedError, match=r"worst cosine 0\.\d+.*nothing was stored"):
        parity.check(other, graph)


def test_other_pixels_are_refused_with_the_numbers(tiny: sources.Source, graph: Path) -> None:
    from dataclasses import replace

    shifted = replace(
        tiny,
        preprocess=replace(tiny.preprocess, interpolation="bilinear"),
    )
    with pytest.raises(ImportRefusedError, match=r"[1-9]\d* pixels differ"):
        parity.check(shifted, graph)


@pytest.mark.parametrize(
    ("model", "pretrained", "right"),
    [
        ("ViT-B-32", "openai", "ViT-B-32-quickgelu"),
        ("ViT-B-32-quickgelu", "laion2b_s34b_b79k", "ViT-B-32"),
        ("ViT-L-14", "dfn2b", "ViT-L-14-quickgelu"),
    ],
)
def test_a_quickgelu_mismatch_is_refused_and_the_right_model_named(
    model: str, pretrained: str, right: str
) -> None:
    with pytest.raises(ImportRefusedError, match=f"--model {right}$"):
        sources.from_open_clip(model, pretrained)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "ViT-B-3", "--pretrained", "x"], "ViT-B-32"),
        (["--model", "ViT-B-3"], "ViT-B-32"),
        (["--pretrained", "nonsense"], "laion2b_s34b_b79k"),
        (["--model", "ViT-B-16"], "laion2b_s34b_b88k"),
        (["--pretrained", "README.md"], "does not load"),
    ],
)
def test_a_wrong_argument_is_one_sentence_with_the_fix(
    arguments: list[str],
    says: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):  # puts back the level that it sets
        assert command.main(arguments) == 1
    errors = capfd.readouterr().err
    assert says in errors
    assert len(errors.strip().splitlines()) == 1


def test_an_unreachable_hub_names_both_ways_out() -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": "/nonexistent"}
    result = run_import(**nowhere)
    assert result.returncode == 1
    assert "--pretrained PATH" in result.stderr
    assert "--starter" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "loading ViT-B-32" in result.stdout  # progress was visible


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("ViT-B-32", "openclip_vit_b32"),
        ("ViT-L-14", "openclip_vit_l14"),
        ("ViT-B-16-SigLIP", "openclip_vit_b16_siglip"),
        ("convnext_base_w", "openclip_convnext_base_w"),
    ],
)
def test_names_in_the_store_follow_the_model(model: str, name: str) -> None:
    assert names.of(model) == name
