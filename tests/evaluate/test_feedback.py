"""The feedback log as a data set."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clip_ranker.evaluate import feedback
from clip_ranker.evaluate.data import DataError, checked
from clip_ranker.evaluate.judge import score
from clip_ranker.evaluate.setting import SERVED, SETTINGS
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.store import StoredModel
from clip_ranker.rank.verdicts import line
from tests.rank.in_process import MODEL


def vector(seed: int) -> Embedding:
    drawn = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def verdict(photo: Embedding, listing: Embedding, *, same: bool, model: StoredModel = MODEL) -> str:
    """A line as the service writes it, without its end."""
    return line(model, photo, listing, same=same).decode().rstrip("\n")


def test_verdicts_of_a_folder_become_photos_and_listings(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text(
        verdict(vector(0), vector(1), same=True)
        + "\n"
        + verdict(vector(0), vector(2), same=False)
        + "\n"
    )
    (tmp_path / "2.jsonl").write_text(
        verdict(vector(3), vector(4), same=True)
        + "\n"
        + verdict(vector(5), vector(6), same=True, model=replace(MODEL, name="other"))
        + "\n"
    )
    found = checked(feedback.read(tmp_path, MODEL))
    assert (found.items, len(found.queries), len(found.listings)) == (2, 2, 3)
    assert feedback.read(tmp_path, replace(MODEL, name="other")).items == 1
    vectors = {name: one[None] for name, one in found.vectors.items()}
    first = score(found, SETTINGS[SERVED], vectors, vectors)[0]
    assert first.scores == pytest.approx([vector(0) @ vector(1), vector(0) @ vector(2)], abs=1e-6)
    assert first.relevant.tolist() == [True, False]


def test_a_line_that_a_kill_cut_off_is_ignored_and_a_damaged_one_named(tmp_path: Path) -> None:
    whole = verdict(vector(0), vector(1), same=True)
    wrong = json.dumps(json.loads(whole) | {"photo": "AAAA"})
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join([whole, wrong, "nonsense", "[]", "", whole[: len(whole) // 2]]))
    found = feedback.read(log, MODEL)
    assert len(found.queries) == 1
    assert [fault.what.rpartition(", ")[2] for fault in found.faults] == [
        "line 2",
        "line 3",
        "line 4",
    ]


def test_of_two_verdicts_on_one_pair_the_last_counts(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lines = [verdict(vector(0), vector(1), same=same) for same in (True, False)]
    log.write_text("\n".join([*lines, ""]))
    assert feedback.read(log, MODEL).items == 0


def test_verdicts_on_other_weights_of_that_name_are_left_out_and_counted(tmp_path: Path) -> None:
    imported_again = replace(MODEL, digest=f"{0:064}-int8-smooth")
    lines = [verdict(vector(n), vector(10 + n), same=True) for n in range(2)]
    lines += [verdict(vector(2), vector(12), same=True, model=imported_again)]
    early = json.loads(verdict(vector(3), vector(13), same=True))
    del early["digest"]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join([*lines, *[json.dumps(early)] * 3, ""]))
    found = feedback.read(log, MODEL)
    assert len(found.queries) == 2
    first, second = (fault.why for fault in found.faults)
    assert first.startswith(
        "verdicts on other weights called m, digest 000000000000…-int8-smooth: 1;"
    )
    assert second.startswith("verdicts on m that do not say of which weights, as early copies")
    assert second.endswith(": 3; judged are those on digest…")
    assert feedback.read(log, imported_again).items == 1


def test_a_log_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no file \*.jsonl"):
        feedback.read(tmp_path, MODEL)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        feedback.read(tmp_path / "gone.jsonl", MODEL)
