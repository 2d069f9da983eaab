"""What data sets are built with: files held against their sums, and the renderer."""

import csv
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from bench.datasets import meshes, objects, packages, photographs, renderer, second_photos
from bench.datasets.__main__ import BUILDERS
from bench.datasets.meshes import Mesh
from tests.documents import ROOT


def test_a_file_that_is_another_than_known_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = tmp_path / "sums.txt"
    monkeypatch.setattr(packages, "SUMS", sums)
    monkeypatch.setattr(packages, "SOURCES", tmp_path)
    sums.write_text("0" * 64 + "  sklearn/flower.jpg\n")
    with pytest.raises(SystemExit, match=r"sklearn: not in its packages as known: flower\.jpg"):
        packages.fetch("sklearn")
    assert not (tmp_path / "sklearn/flower.jpg").exists()


def test_files_are_brought_once_and_again_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "SOURCES", tmp_path)
    folder = packages.fetch("sklearn")
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["china.jpg", "flower.jpg"]
    (folder / "flower.jpg").write_bytes(b"half")
    packages.fetch("sklearn")
    known = dict(line.split()[::-1] for line in packages.SUMS.read_text().splitlines())
    for name in names:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == known[f"sklearn/{name}"]


def test_what_can_be_built_is_judged() -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text()
    table = page.partition("<!-- datasets -->")[2].partition("<!-- /datasets -->")[0]
    assert set(BUILDERS) == set(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE))


def test_lists_name_what_has_a_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "fetch", lambda source: packages.SOURCES / source)
    known = {line.split()[1] for line in packages.SUMS.read_text().splitlines()}
    every = photographs.every()
    assert {f"{one.source}/{one.file}" for one in every.values()} <= known
    for listings, photos in second_photos.SAME.values():
        assert {every[name].part for name in (*listings, *photos)} == {"test"}
    parts: dict[str, set[str]] = {}
    for one in every.values():
        parts.setdefault(one.scene, set()).add(one.part)
    assert all(len(of_scene) == 1 for of_scene in parts.values())
    models = {name.split("/")[2] for name in known if name.endswith(".xml")}
    assert {name for names in objects.SHAPES for name in names} <= models


def test_every_object_has_a_title_or_none_and_words_of_each_kind() -> None:
    with objects.TITLES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    named = {name for names in objects.SHAPES for name in names}
    assert named <= {row["item"] for row in rows}
    assert {row["item"].rpartition("-")[0] or row["item"] for row in rows} <= named
    assert len({row["item"] for row in rows}) == len(rows)
    assert {row["kind"] for row in rows} == {"right", "wrong", "none"}
    for row in rows:
        assert bool(row["title"]) == (row["kind"] != "none"), row
        assert all(row[words] for words in objects.WORDS), row


def square(side: float, away: float, colour: tuple[float, float, float]) -> Mesh:
    """Stands upright and looks along x; half of it is black."""
    y, z = side * np.array([-1, 1, 1, -1]) / 2, side * np.array([-1, -1, 1, 1]) / 2
    corners = np.stack([np.full(4, away), y, z], 1).astype(np.float32)
    at = np.float32([[0, 1], [1, 1], [1, 0], [0, 0]])
    faces = [[0, 1, 2], [0, 2, 3]]
    texture = np.float32([[[0, 0, 0], colour]])
    return Mesh(corners[faces], at[faces], texture)


def test_the_nearest_is_seen_with_its_texture_the_right_way_round() -> None:
    parts = [square(1, 0.2, (1, 0, 0)), square(2, 0, (0, 1, 0))]
    lamp = np.float32((0, 0, 1))
    front = np.asarray(renderer.shade(renderer.look(parts, 0, 0, 64), parts, lamp, 1))
    back = np.asarray(renderer.shade(renderer.look(parts, 180, 0, 64), parts, lamp, 1))
    assert tuple(front[0, 0]) == (0, 0, 0, 0)
    assert tuple(front[32, 36]) == (255, 0, 0, 255)
    assert tuple(front[32, 28]) == (0, 0, 0, 255)
    assert tuple(front[32, 44]) == (0, 255, 0, 255)
    assert tuple(back[32, 28]) == (0, 255, 0, 255)  # from behind the small one is hidden
    wide = np.flatnonzero(front[32, :, 3])
    tall = np.flatnonzero(front[:, 32, 3])
    assert abs(len(wide) - len(tall)) <= 1


def test_a_model_is_read_with_its_texture_and_without_what_only_collides(tmp_path: Path) -> None:
    vertices = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    places = np.float32([[0, 0], [1, 0], [0, 1]])
    head = np.int32([3, 0, 3, 1]).tobytes()
    data = head + vertices.tobytes() + places.tobytes() + np.int32([0, 1, 2]).tobytes()
    (tmp_path / "part.msh").write_bytes(data)
    (tmp_path / "model.xml").write_text(
        """<mujoco><asset><material name="red" rgba="1 0 0 1"/>
        <mesh name="part" file="part.msh" scale="2 2 2"/></asset><worldbody>
        <geom type="mesh" mesh="part" material="red"/><geom type="box" size="1 1 1"/>
        </worldbody></mujoco>"""
    )
    (part,) = meshes.read(tmp_path / "model.xml")
    assert np.allclose(part.corners, [2 * vertices])
    assert np.allclose(part.texture_at, [places])
    assert part.texture.tolist() == [[[1, 0, 0]]]
