"""The road to the model hub, with a hub on loopback; tests/processes has all of it at once."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing import sources, weights
from tests.conftest import ROOT
from tests.importing.model_hub import ModelHub

MODEL, TAG = "ViT-B-32", "laion2b_s34b_b79k"
REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
CHUNK_BYTES = 100_000
"""What the client writes at once, and resumes behind; ten megabytes by default."""
SAFE, PICKLED = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """Empty; in this process ``HF_ENDPOINT`` and ``HF_HOME`` have been read already."""
    with ModelHub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK_BYTES)
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(bytes(range(256)) * 8192)
    return path


def refusal() -> str:
    with pytest.raises(ImportRefusedError) as refused:
        weights.find(MODEL, TAG)
    [sentence] = str(refused.value).splitlines()
    return sentence


def test_bytes_come_from_another_host_that_sees_no_token(
    hub: ModelHub, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    hub.put(REPOSITORY, SAFE, file)
    found = weights.find(MODEL, TAG)
    assert found.path
    assert found.path.read_bytes() == file.read_bytes()
    assert found.published["hf_hub"] == REPOSITORY + "/"
    assert "Bearer hf_of_a_test" in hub.tokens["hub"]
    assert hub.tokens["bytes"] == {None}


def test_what_was_downloaded_needs_no_hub(
    hub: ModelHub, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put(REPOSITORY, SAFE, file)
    first = weights.find(MODEL, TAG)
    assert weights.find(MODEL, TAG) == first
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert weights.find(MODEL, TAG) == first
    assert len(hub.ranges) == 1


def test_a_repository_without_safetensors_gives_the_other_file(hub: ModelHub, file: Path) -> None:
    hub.put(REPOSITORY, PICKLED, file)
    found = weights.find(MODEL, TAG)
    assert found.path
    assert found.path.name == PICKLED


def test_a_broken_transfer_goes_on_where_it_broke(hub: ModelHub, file: Path) -> None:
    hub.put(REPOSITORY, SAFE, file)
    hub.breaks = [3 * CHUNK_BYTES + 1]
    found = weights.find(MODEL, TAG)
    assert found.path
    assert found.path.read_bytes() == file.read_bytes()
    assert hub.ranges == [None, f"bytes={3 * CHUNK_BYTES}-"]


def test_one_that_breaks_for_good_says_so_and_leaves_nothing(
    hub: ModelHub, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    hub.put(REPOSITORY, SAFE, file)
    hub.breaks = [3 * CHUNK_BYTES] + [0] * 100
    assert "broke off (RemoteProtocolError: " in refusal()
    hub.breaks = []
    assert weights.find(MODEL, TAG).path


def test_where_the_bytes_are_refused_a_token_is_no_remedy(hub: ModelHub, file: Path) -> None:
    hub.put(REPOSITORY, SAFE, file)
    hub.status = 403
    sentence = refusal()
    assert "broke off" in sentence
    assert "403" in sentence
    assert "HF_TOKEN" not in sentence


@pytest.mark.parametrize("code", ["GatedRepo", "RepoNotFound"])
def test_a_closed_repository_wants_terms_accepted_and_a_token(hub: ModelHub, code: str) -> None:
    hub.closed[REPOSITORY] = code
    sentence = refusal()
    assert "(401)" in sentence
    assert f"{hub.url}/{REPOSITORY}" in sentence
    assert "HF_TOKEN" in sentence


def test_weights_that_are_not_there_name_the_tags_that_are(hub: ModelHub) -> None:
    sentence = refusal()
    assert f"no weights in {REPOSITORY} (404)" in sentence
    assert "datacomp_xl_s13b_b90k" in sentence


def test_a_damaged_file_is_refused_with_both_sums_until_it_is_deleted(
    hub: ModelHub, file: Path
) -> None:
    told = hub.put(REPOSITORY, SAFE, file, sha256="0" * 64)
    for _ in range(2):
        sentence = refusal()
        assert "damaged" in sentence
        assert hashlib.sha256(file.read_bytes()).hexdigest() in sentence
        assert told in sentence
    Path(sentence.partition("delete ")[2].partition(" and ")[0]).unlink()
    hub.put(REPOSITORY, SAFE, file)
    assert weights.find(MODEL, TAG).path


@pytest.mark.parametrize("name", [SAFE, PICKLED])
def test_other_bytes_than_the_known_ones_are_taken_with_a_warning_that_names_both(
    hub: ModelHub, file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sha256 = hub.put(REPOSITORY, name, file)
    warning = weights.find(MODEL, TAG).warning
    assert warning
    assert sha256 in warning
    assert weights.PINNED[f"{REPOSITORY}/{name}"] in warning
    monkeypatch.setitem(weights.PINNED, f"{REPOSITORY}/{name}", sha256)
    assert weights.find(MODEL, TAG).warning is None


def test_weights_that_nothing_is_known_of_bring_no_warning(hub: ModelHub, file: Path) -> None:
    hub.put("timm/ViT-B-16-SigLIP2", SAFE, file)
    assert weights.find("ViT-B-16-SigLIP2", "webli").warning is None


def test_a_text_tower_of_another_library_is_left_out(tmp_path: Path) -> None:
    tiny = json.loads((ROOT / "tests/models/tiny.json").read_text())
    path = tmp_path / "of_another_library.json"
    path.write_text(json.dumps(tiny | {"text_cfg": {"hf_model_name": "nowhere/to-be-had"}}))
    random = sources.from_open_clip(str(path), "random")
    towers = {f"visual.{key}": w for key, w in random.tower.features.state_dict().items()}
    first, *_ = towers
    checkpoint = tmp_path / "weights.safetensors"
    text = {"text.transformer.embeddings.word_embeddings.weight": torch.zeros(3, 5)}
    scale = {"logit_scale": torch.zeros(())}
    shifted = {key: w + 1 for key, w in towers.items()}
    save_file(shifted | text | scale, checkpoint)
    loaded = sources.from_open_clip(str(path), str(checkpoint))
    assert loaded.digest() != random.digest()
    assert all(
        torch.equal(w, shifted[f"visual.{key}"])
        for key, w in loaded.tower.features.state_dict().items()
    )
    del shifted[first]
    save_file(shifted | text | scale, checkpoint)
    with pytest.raises(ImportRefusedError, match=f"does not load.*{first}"):
        sources.from_open_clip(str(path), str(checkpoint))
