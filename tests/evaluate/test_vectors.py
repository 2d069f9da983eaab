"""Vectors of files: those of the service, kept on disk, and gone on with after a kill."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from clip_ranker.decode.pool import Decoded, Decoder
from clip_ranker.evaluate.data import DataError
from clip_ranker.evaluate.setting import VIEWS
from clip_ranker.evaluate.vectors import BATCH, FILE, IMAGE_RESIZE_PX, Embedder
from clip_ranker.models.encoder import Embedding, Encoder
from clip_ranker.models.preprocess import Pixels
from clip_ranker.models.store import StoredModel
from tests.photos import PHOTOS, encode, picture

FILES = 3 * BATCH


class Counting:
    """An encoder that counts pictures."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.count = 0

    def __call__(self, pixels: Pixels) -> Embedding:
        self.count += len(pixels)
        return self._encoder(pixels)


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Small ones, each different."""
    small = picture("cat").resize((64, 48))
    paths = [tmp_path / f"{number}.png" for number in range(FILES)]
    for number, path in enumerate(paths):
        path.write_bytes(encode(small.rotate(number), "PNG"))
    return [str(path) for path in paths]


@pytest.fixture
def embedder(tiny: StoredModel, tmp_path: Path) -> Iterator[Embedder]:
    with closing(Embedder(tiny, tmp_path / "cache")) as one:
        yield one


def nothing() -> None:
    pass


def counted(tiny: StoredModel, cache: Path, names: list[str], views: list[str]) -> int:
    """How many vectors a run has to make."""
    with closing(Embedder(tiny, cache)) as embedder:
        counting = Counting(embedder.encoder)
        embedder.__dict__["encoder"] = counting
        found = embedder(names, views, nothing)
    assert found.found.keys() == set(names)
    return counting.count


def kept(cache: Path) -> int:
    """Vectors on disk."""
    if not (cache / FILE).exists():
        return 0
    with closing(sqlite3.connect(cache / FILE)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM vectors").fetchone()[0])
        except sqlite3.OperationalError:  # not there yet
            return 0


def test_the_centre_is_what_the_service_makes(
    tiny: StoredModel, embedder: Embedder, tmp_path: Path
) -> None:
    names = []
    for name, data in PHOTOS.items():
        path = tmp_path / name
        path.write_bytes(data)
        names.append(str(path))
    found = embedder(names, ["centre"], nothing).found

    async def served() -> list[Decoded | None]:
        decoder = Decoder(processes=1, max_pixels=50_000_000)
        try:
            return [
                await decoder(data, tiny.preprocess, IMAGE_RESIZE_PX) for data in PHOTOS.values()
            ]
        finally:
            await decoder.close()

    for name, decoded in zip(names, asyncio.run(served()), strict=True):
        assert decoded is not None
        vector = embedder.encoder(decoded.pixels[None])[0]
        assert found[name][0] == pytest.approx(vector, abs=1e-5)


def test_a_run_that_was_killed_is_gone_on_with(
    tiny: StoredModel, pictures: list[str], tmp_path: Path
) -> None:
    cache, last = tmp_path / "cache", Path(pictures[-1])
    content = last.read_bytes()
    last.unlink()
    os.mkfifo(last)  # reading it waits for ever
    code = (
        "import sys; from pathlib import Path; from clip_ranker.models import store;"
        "from clip_ranker.evaluate.vectors import Embedder;"
        "embedder = Embedder(store.load(sys.argv[1]), Path(sys.argv[2]));"
        "embedder(sys.argv[3:], ['centre'], lambda: None)"
    )
    command = [sys.executable, "-c", code, tiny.name, str(cache), *pictures]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while (before := kept(cache)) < BATCH and process.poll() is None:
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    assert BATCH <= before < FILES
    last.unlink()
    last.write_bytes(content)
    assert counted(tiny, cache, pictures, ["centre"]) == FILES - before
    assert counted(tiny, cache, pictures, ["centre"]) == 0


def test_a_file_is_known_by_its_content_and_a_view_is_kept_apart(
    tiny: StoredModel, pictures: list[str], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    names = pictures[:3]
    assert counted(tiny, cache, names, ["centre"]) == 3
    assert counted(tiny, cache, names, ["pad", "centre"]) == 3
    moved = Path(names[0]).rename(tmp_path / "moved.png")
    assert counted(tiny, cache, [str(moved)], ["centre"]) == 0
    moved.write_bytes(Path(pictures[5]).read_bytes())
    assert counted(tiny, cache, [str(moved)], ["centre"]) == 1


def test_vectors_come_in_the_order_of_the_views(embedder: Embedder, pictures: list[str]) -> None:
    one = pictures[:1]
    both = embedder(one, ["centre", "crop.62"], nothing).found[one[0]]
    turned = embedder(one, ["crop.62", "centre"], nothing).found[one[0]]
    assert np.array_equal(both, turned[::-1])
    assert not np.allclose(both[0], both[1])


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(
    embedder: Embedder, pictures: list[str], tmp_path: Path
) -> None:
    damaged, gone = tmp_path / "damaged.jpg", tmp_path / "gone.jpg"
    damaged.write_bytes(b"<!doctype html>")
    steps: list[None] = []
    names = [str(damaged), pictures[0], str(gone), pictures[0]]
    found = embedder(names, list(VIEWS), lambda: steps.append(None))
    assert list(found.found) == [pictures[0]]
    assert found.found[pictures[0]].shape[0] == len(VIEWS)
    assert {fault.what: fault.why.partition(":")[0] for fault in found.faults} == {
        str(damaged): "not_an_image",
        str(gone): "cannot be read",
    }
    assert len(steps) == 3


def test_a_cache_that_is_none_is_told(tiny: StoredModel, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match=r"--cache: .*vectors.sqlite cannot be used .*: delete it"):
        Embedder(tiny, tmp_path)
    with pytest.raises(DataError, match=r"--cache: .* cannot be used: "):
        Embedder(tiny, tmp_path / FILE)
