"""Titles and words beside the pictures of a data set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from clip_ranker.evaluate import files
from clip_ranker.evaluate.data import DataError, Dataset
from clip_ranker.evaluate.judge import Scored, score
from clip_ranker.evaluate.setting import SETTINGS
from clip_ranker.evaluate.titles import MOVES, Texts
from clip_ranker.models.encoder import Embedding

PICTURES = np.eye(3, dtype=np.float32)[:, None]


@pytest.fixture
def mugs(tmp_path: Path) -> Dataset:
    """Two mugs and a plate, whose photos all look like the first; the plate has no title."""
    texts = {
        "blue": ("青いマグ ＢＭ－０１", "bm01"),
        "red": ("赤いマグ BM-02", "BM-02"),
        "plate": (None, "皿"),
    }
    for name, (title, words) in texts.items():
        folder = tmp_path / "items" / name
        folder.mkdir(parents=True)
        (folder / "listing.jpg").touch()
        (folder / "query.jpg").touch()
        (folder / "query.txt").write_text(words, encoding="utf-8-sig")
        if title:
            (folder / "listing.txt").write_text(title + "\n", encoding="utf-8")
    return files.read(tmp_path)


def scored(dataset: Dataset, setting: str, texts: Texts | None) -> dict[str, Scored]:
    """By item; each photo is like the first listing."""
    listings = dict(zip(dataset.listings, PICTURES, strict=True))
    photos = {query.photo: PICTURES[0] for query in dataset.queries}
    found = score(dataset, SETTINGS[setting], photos, listings, texts)
    return {Path(one.photos[0]).parent.name: one for one in found}


def first(one: Scored) -> int:
    return int(one.scores.argmax())


def test_words_beside_a_photo_find_the_title_beside_a_listing(mugs: Dataset) -> None:
    names = [Path(name).parent.name for name in mugs.listings]
    assert names == ["blue", "plate", "red"]
    plain, titled = (scored(mugs, name, Texts(None)) for name in ("centre", "titles-alone"))
    assert {first(one) for one in plain.values()} == {0}
    assert (first(titled["blue"]), first(titled["red"])) == (0, 2)
    assert np.array_equal(titled["plate"].scores, plain["plate"].scores)  # 皿 is in no title
    without = scored(mugs, "titles-alone", None)
    assert all(np.array_equal(without[name].scores, plain[name].scores) for name in plain)


def test_a_model_that_reads_is_asked_for_each_text_once(mugs: Dataset) -> None:
    asked: list[str] = []

    def encode(texts: Sequence[str]) -> Embedding:
        asked.extend(texts)
        return np.stack([np.eye(3, dtype=np.float32)[len(text) % 3] for text in texts])

    texts = Texts(lambda: encode)
    for setting in ("titles", "titles-ranks"):
        scored(mugs, setting, texts)
    assert sorted(asked) == sorted(["青いマグ ＢＭ－０１", "赤いマグ BM-02", "bm01", "BM-02", "皿"])


def test_what_is_no_text_is_told_with_its_name(mugs: Dataset) -> None:
    Path(mugs.listings[0]).with_suffix(".txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"blue/listing\.txt cannot be read as text in UTF-8"):
        scored(mugs, "titles", Texts(None))


def test_how_texts_are_moved_onto_the_pictures_scale() -> None:
    pictures = {0: 0.1, 1: 0.3, 2: 0.8, 3: 0.4}
    text = {0: 5.0, 1: 7.0, 2: 6.0, 3: 6.0}
    assert MOVES["range"](pictures, text) == pytest.approx({0: 0.1, 1: 0.8, 2: 0.45, 3: 0.45})
    assert MOVES["ranks"](pictures, text) == pytest.approx({0: 0.1, 1: 0.8, 2: 0.35, 3: 0.35})
    moved = np.array(list(MOVES["spread"](pictures, text).values()))
    shown = np.array(list(pictures.values()))
    assert (moved.mean(), moved.std()) == pytest.approx((shown.mean(), shown.std()))
