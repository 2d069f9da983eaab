"""Vectors of picture files, kept on disk so that no run makes one twice.

Decoding and pixels are the service's own, so what is judged is what is served.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clip_ranker.decode import images
from clip_ranker.decode.geometry import fit
from clip_ranker.decode.header import read_header
from clip_ranker.errors import NotAnImageError, TooLargeError
from clip_ranker.evaluate import setting
from clip_ranker.evaluate.data import DataError, Fault
from clip_ranker.evaluate.setting import VIEWS
from clip_ranker.evaluate.titles import Texts
from clip_ranker.models.encoder import Embedding, Encoder
from clip_ranker.models.preprocess import Pixels, Preprocess
from clip_ranker.models.store import StoredModel
from clip_ranker.models.text import TextEncoder
from clip_ranker.settings import get_settings

IMAGE_RESIZE_PX = 768
"""Longest side before the model's own resize: the default of a request."""
BATCH = 16
FILE = "vectors.sqlite"
WAIT_S = 60.0
"""For another run that writes."""


class Vectors(NamedTuple):
    """Of the files that could be read, each (views, dim), and the others."""

    found: dict[str, NDArray[np.float32]]
    faults: list[Fault]


@dataclass
class _File:
    """One file under way."""

    name: str
    keys: Mapping[str, str] = field(default_factory=dict)
    vectors: dict[str, Embedding] = field(default_factory=dict)
    pixels: Future[dict[str, Pixels]] | None = None
    fault: str = ""


class Embedder:
    """Makes and keeps vectors of one model.

    Args:
        stored: the model.
        folder: of the kept vectors; made when it is not there. Several runs may share it, and a
            run that is killed loses what was not yet kept, a batch at most.

    Attributes:
        texts: beside the pictures; embedded anew in each run.

    Raises:
        DataError: the folder cannot be used.
    """

    def __init__(self, stored: StoredModel, folder: Path) -> None:
        self._graph, self.preprocess = stored.graph, stored.preprocess
        self.texts = Texts(partial(TextEncoder, stored.text) if stored.text else None)
        # The same weights may be stored in 8 bits: the graph tells them apart.
        graph = hashlib.sha256(stored.graph.read_bytes()).hexdigest()
        recipes = (images.RECIPE, setting.RECIPE, IMAGE_RESIZE_PX)
        self._model = repr((stored.digest, graph, stored.preprocess, recipes)).encode()
        self._folder = folder
        with self._told():
            folder.mkdir(parents=True, exist_ok=True)
            self._kept = sqlite3.connect(folder / FILE, timeout=WAIT_S)
            with self._kept:
                self._kept.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB)"
                )

    def close(self) -> None:
        """Closes the file; what is kept stays."""
        self._kept.close()

    @cached_property
    def encoder(self) -> Encoder:
        """Loaded when the first vector has to be made."""
        return Encoder(self._graph, threads=get_settings().embed_threads)

    def __call__(
        self, names: Iterable[str], views: Sequence[str], advance: Callable[[], None]
    ) -> Vectors:
        """Vectors of files, in the order of ``views``; one call of ``advance`` a file."""
        result = Vectors({}, [])
        different = list(dict.fromkeys(names))
        batches = [different[at : at + BATCH] for at in range(0, len(different), BATCH)]
        # One thread decodes ahead: two at once might meet in what decoding sets for all threads.
        with ThreadPoolExecutor(1, thread_name_prefix="decode") as ahead, self._told():
            before: list[_File] = []
            for batch in [*batches, []]:
                now = [self._begin(name, views, ahead) for name in batch]
                self._embed(before)
                for file in before:
                    if file.fault:
                        result.faults.append(Fault(file.name, file.fault))
                    else:
                        result.found[file.name] = np.stack([file.vectors[view] for view in views])
                    advance()
                before = now
        return result

    def _begin(self, name: str, views: Sequence[str], ahead: ThreadPoolExecutor) -> _File:
        """Looks up what is kept, and has the rest decoded meanwhile."""
        try:
            data = Path(name).read_bytes()
        except OSError as error:
            return _File(name, fault=f"cannot be read: {error.strerror}")
        content = hashlib.sha256(data).digest()
        parts = {view: b"\0".join((self._model, view.encode(), content)) for view in views}
        file = _File(name, {view: hashlib.sha256(part).hexdigest() for view, part in parts.items()})
        for view, key in file.keys.items():
            row = self._kept.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
            if row:
                file.vectors[view] = np.frombuffer(row[0], "<f4").astype(np.float32)
        if missing := [view for view in views if view not in file.vectors]:
            file.pixels = ahead.submit(to_pixels, data, missing, self.preprocess)
        return file

    def _embed(self, files: Sequence[_File]) -> None:
        """Makes what is missing, and keeps it."""
        wanted: list[tuple[_File, str, Pixels]] = []
        for file in files:
            try:
                made = file.pixels.result() if file.pixels else {}
            except (NotAnImageError, TooLargeError) as error:
                file.fault = f"{error.reason}: {error}"
            else:
                wanted += [(file, view, pixels) for view, pixels in made.items()]
        for at in range(0, len(wanted), BATCH):
            batch = wanted[at : at + BATCH]
            vectors = self.encoder(np.stack([pixels for _, _, pixels in batch]))
            for (file, view, _), vector in zip(batch, vectors, strict=True):
                file.vectors[view] = vector
        rows = [
            (file.keys[view], file.vectors[view].astype("<f4").tobytes())
            for file, view, _ in wanted
        ]
        with self._kept:
            self._kept.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(
                f"--cache: {self._folder / FILE} cannot be used ({error}): delete it, or choose "
                "another folder"
            ) from error
        except OSError as error:
            raise DataError(f"--cache: {self._folder} cannot be used: {error.strerror}") from error


def to_pixels(data: bytes, views: Sequence[str], preprocess: Preprocess) -> dict[str, Pixels]:
    """A file's pixels, by view.

    Raises:
        NotAnImageError, TooLargeError: as the service would say.
    """
    opened = read_header(data, max_pixels=get_settings().max_pixels)
    image, to_srgb = images.load(opened)
    picture = images.Picture(fit(image, IMAGE_RESIZE_PX), to_srgb)
    return {view: VIEWS[view](picture, preprocess) for view in views}
