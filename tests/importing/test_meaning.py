"""Weights that mean nothing are told from those that do, by photographs taken again."""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import bentoml
import numpy as np
import open_clip
import pytest
import torch
from bentoml.exceptions import NotFound
from safetensors.torch import save_file

from clip_ranker.importing import command, meaning
from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder
from clip_ranker.models.preprocess import Pixels, Preprocess
from tests.conftest import ROOT

TINY = str(ROOT / "tests/models/tiny.json")


def test_the_starter_finds_what_random_weights_do_not(stored: Callable[[str], str]) -> None:
    found = {}
    for name in ("efficientnet_lite0", "tiny"):
        model = store.load(stored(name))
        found[name] = meaning.measure(Encoder(model.graph), model.preprocess)
    assert found["efficientnet_lite0"].recall_at_1 >= meaning.BAR
    assert found["efficientnet_lite0"].doubt is None
    assert found["tiny"].recall_at_1 < meaning.BAR
    assert f"{found['tiny'].recall_at_1:.0%} of 24 photographs" in str(found["tiny"].doubt)


def test_one_vector_for_everything_finds_nothing() -> None:
    def same(pixels: Pixels) -> np.ndarray:
        return np.ones((len(pixels), 4), np.float32) / 2

    preprocess = Preprocess(8, 8, (0, 0, 0), (1, 1, 1))
    found = meaning.measure(same, preprocess)
    assert found.recall_at_1 <= 1 / 12
    assert found.doubt


def test_the_command_stores_the_recall_and_warns_of_weights_that_load_and_mean_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(3)
    open_clip.add_model_config(TINY)
    clip = open_clip.create_model("tiny", pretrained=None)
    checkpoint = tmp_path / "weights.safetensors"
    save_file({name: w.contiguous() for name, w in clip.state_dict().items()}, checkpoint)
    with suppress(NotFound):
        bentoml.models.delete("meaningless")  # of an earlier run
    arguments = ["--model", TINY, "--pretrained", str(checkpoint), "--name", "meaningless"]
    with caplog.at_level(logging.ERROR):  # puts back the level that it sets
        assert command.main(arguments) == 0
    said = capfd.readouterr()
    recall = bentoml.models.get("meaningless").info.metadata["measured"]["recall_at_1"]
    assert recall < meaning.BAR
    assert f"recall at 1 {recall:.3f}, on 24 photographs" in said.out
    [warning] = said.err.splitlines()
    assert "tell hardly anything apart" in warning
