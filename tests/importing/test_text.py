"""The text tower: stored beside the image tower, and the same as OpenCLIP's."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing import sources
from clip_ranker.importing.text import TextSource
from clip_ranker.models import store
from clip_ranker.models.text import TextEncoder, TextTower
from tests.conftest import IMPORTS, ROOT, run_import
from tests.importing.small_text_model import model_config
from tests.importing.texts import thousand

TINY = ROOT / "tests/models/tiny_text.json"
MIN_COSINE = 1 - 1e-5


def worst_cosine(tower: TextTower, clip: Any, model: str, texts: list[str]) -> float:
    with torch.no_grad():
        wanted = clip.encode_text(open_clip.get_tokenizer(model)(texts), normalize=True).numpy()
    got = TextEncoder(tower)(texts)
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    return float((got * wanted).sum(axis=1).min())


def created(config: Path) -> tuple[str, Any]:
    open_clip.add_model_config(str(config))
    torch.manual_seed(0)
    return config.stem, open_clip.create_model(config.stem, pretrained_text=False).eval()


def test_a_stored_model_embeds_texts_as_openclip_does(stored: Callable[[str], str]) -> None:
    tower = store.load(stored("tiny_text")).text
    assert tower is not None
    assert (tower.context_length, tower.cleaning, tower.short) == (77, "lower", True)
    model, clip = created(TINY)
    assert worst_cosine(tower, clip, model, thousand()[::7]) >= MIN_COSINE
    torch.nn.init.normal_(clip.token_embedding.weight)  # the measure tells other weights apart
    assert worst_cosine(tower, clip, model, thousand()[::7]) < 0.99


def test_importing_again_with_text_or_without_leaves_one_copy_with_it(
    stored: Callable[[str], str],
) -> None:
    name = stored("tiny_text")
    for arguments in (IMPORTS[name], [one for one in IMPORTS[name] if one != "--text"]):
        again = run_import(*arguments, "--name", name)
        assert (again.returncode, again.stderr) == (0, "")
        assert f"already in the store: {name}:" in again.stdout
    source = sources.from_open_clip(str(TINY), "random", text=True)
    assert source.text is not None
    made, key = (source.description, source.digest(), source.preprocess), source.text.key
    assert store.find(name, *made, key)
    assert store.find(name, *made, key + "of other weights") is None


def test_a_model_without_one_is_not_taken_for_one_with_it(stored: Callable[[str], str]) -> None:
    name = stored("tiny")
    model = store.load(name)
    assert model.text is None
    made = model.source, model.digest, model.preprocess
    assert store.find(name, *made)
    assert store.find(name, *made, "a text tower") is None


@pytest.mark.parametrize("name", ["tiny", "tiny_text"])
def test_a_model_with_a_text_tower_or_without_comes_out_as_it_went_in(
    stored: Callable[[str], str], name: str
) -> None:
    model = store.load(stored(name))
    store.save(replace(model, name=f"{name}_again"), {})
    again = store.load(f"{name}_again")
    assert (again.digest, again.preprocess, again.dim) == (
        model.digest,
        model.preprocess,
        model.dim,
    )
    assert (again.text and again.text.key) == (model.text and model.text.key)
    assert again.text is None or again.text.tokenizer.is_file()


def test_xlm_roberta_embeds_texts_as_openclip_does(tmp_path: Path) -> None:
    model, clip = created(model_config(tmp_path / "hub"))
    tower, worst = TextSource(model, clip).write(tmp_path)
    assert worst >= MIN_COSINE
    assert (tower.cleaning, tower.short) == ("whitespace", True)
    assert worst_cosine(tower, clip, model, thousand()[::7]) >= MIN_COSINE


def test_a_tower_that_reads_what_fills_up_gets_all_of_it(tmp_path: Path) -> None:
    """As SigLIP's does, which takes the last token's state and looks both ways."""
    config = json.loads(TINY.read_text())
    both_ways = {"no_causal_mask": True, "pool_type": "last", "proj_bias": True}
    config["text_cfg"] |= {**both_ways, "context_length": 24}
    config["custom_text"] = True
    (tmp_path / "tiny_both_ways.json").write_text(json.dumps(config))
    model, clip = created(tmp_path / "tiny_both_ways.json")
    tower, worst = TextSource(model, clip).write(tmp_path)
    assert worst >= MIN_COSINE
    assert (tower.short, tower.context_length) == (False, 24)
    torch.nn.init.normal_(clip.text.text_projection.weight)
    with pytest.raises(ImportRefusedError, match=r"--text: .* worst cosine -?0\.\d+"):
        TextSource(model, clip).compare(tower)


def test_what_has_no_text_tower_or_no_tokeniser_is_refused_in_a_sentence(tmp_path: Path) -> None:
    starter = run_import("--starter", "--text")
    assert starter.returncode == 1
    assert starter.stderr == "import_model: --text: this model has no text tower\n"
    _, clip = created(TINY)
    nowhere = {**json.loads(TINY.read_text()), "text_cfg": {"hf_tokenizer_name": str(tmp_path)}}
    (tmp_path / "nowhere.json").write_text(json.dumps(nowhere))
    open_clip.add_model_config(str(tmp_path / "nowhere.json"))
    with pytest.raises(ImportRefusedError, match="--text: the tokeniser of nowhere cannot be had"):
        TextSource("nowhere", clip).write(tmp_path)
