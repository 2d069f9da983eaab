"""The starter in steps, each a model of its own: what views, pooling and whitening are worth."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.datasets import photographs
from clip_ranker.decode.geometry import to_pixels
from clip_ranker.evaluate import vectors
from clip_ranker.evaluate.data import Dataset
from clip_ranker.evaluate.judge import Scored, score
from clip_ranker.evaluate.retake import Strength, retake
from clip_ranker.evaluate.setting import SERVED, SETTINGS
from clip_ranker.importing import export, lean, sources, starter, views
from clip_ranker.models import store
from clip_ranker.models.encoder import Embedding, Encoder
from clip_ranker.models.preprocess import Pixels, Preprocess
from clip_ranker.models.store import StoredModel

Embed = Callable[[Pixels], Embedding]
FOLDER = Path(".cache/evaluate/starters")
STRENGTHS = (1, 3, 10)
TOTAL_STRENGTHS = (1, 10)
GEM = 3.0
WHOLE = (1.0,)
FIT_PX = 400
HARD, MIDDLE = 6, 4
"""Pictures taken again of each photograph that the whitening is fitted on."""


@dataclass(frozen=True)
class Whitened(StoredModel):
    """A model with whitening behind it, which the starter does inside its graph.

    Attributes:
        plain: the model without.
    """

    plain: StoredModel = field(kw_only=True)
    whitening: starter.Whitening = field(kw_only=True)


class Embedder(vectors.Embedder):
    """Whitens the kept vectors of the plain model, so that no picture is embedded twice."""

    def __init__(self, model: StoredModel, folder: Path) -> None:
        self._whitening = model.whitening if isinstance(model, Whitened) else None
        super().__init__(model.plain if isinstance(model, Whitened) else model, folder)

    def __call__(
        self, names: Iterable[str], views: Sequence[str], advance: Callable[[], None]
    ) -> vectors.Vectors:
        """As without whitening."""
        found, faults = super().__call__(names, views, advance)
        if self._whitening is not None:
            found = {name: _white(one, self._whitening) for name, one in found.items()}
        return vectors.Vectors(found, faults)


def before() -> StoredModel:
    """As the starter was: the mean of the features, in a centre crop of 224 pixels."""
    return _model("before", WHOLE, 1, sources.starter_pixels(side_px=224, whole=False))


def shipped() -> StoredModel:
    """The starter as it is."""
    return _whitened(_views(GEM), "starter", starter.shipped())


def steps() -> Iterator[StoredModel]:
    """What each change does alone, and together, whitening with several strengths."""
    yield before()
    yield _model("gem", WHOLE, GEM, sources.starter_pixels(side_px=224, whole=False))
    views, gem_views = _views(1), _views(GEM)
    yield from (views, gem_views)
    kept = _kept(gem_views)
    for strength in STRENGTHS:
        within = starter.fitted(kept, strength)
        yield _whitened(gem_views, f"all-{strength:g}", within)
    for strength in TOTAL_STRENGTHS:
        # As one group: the covariance of all pictures instead of that within photographs.
        total = starter.fitted(kept.reshape(1, -1, kept.shape[-1]), strength)
        yield _whitened(gem_views, f"all-total-{strength:g}", total)
    for model in (views, before()):
        fitted = starter.fitted(_kept(model), starter.STRENGTH)
        yield _whitened(model, f"{model.name}-whitened", fitted)


def fit() -> starter.Whitening:
    """What ships; in torch, which spares an export."""
    source = sources.starter_of(None, views.PARTS, starter.POWER, sources.starter_pixels())
    return starter.fitted(_vectors(in_torch(source), source.preprocess), starter.STRENGTH)


def in_torch(source: sources.Source) -> Embed:
    """Pixels to vectors as an export of it would."""
    tower = lean.FromBytes(source.tower, source.preprocess).eval()

    def embed(pixels: Pixels) -> Embedding:
        with torch.no_grad():
            return tower(torch.from_numpy(pixels)).numpy()

    return embed


def judge(dataset: Dataset, model: StoredModel, cache: Path) -> list[Scored]:
    """By the vector alone, as the service does."""
    with closing(Embedder(model, cache)) as embedder:
        photos = embedder([one.photo for one in dataset.queries], ["centre"], lambda: None).found
        listings = embedder(dataset.listings, ["centre"], lambda: None).found
    return score(dataset, SETTINGS[SERVED], photos, listings)


def _views(power: float) -> StoredModel:
    name = "views" if power == 1 else "gem-views"
    return _model(name, views.PARTS, power, sources.starter_pixels())


def _kept(model: StoredModel) -> NDArray[np.float32]:
    return _vectors(Encoder(model.graph), model.preprocess)


def _vectors(embed: Embed, preprocess: Preprocess) -> NDArray[np.float32]:
    """Of each photograph to fit on itself and taken again: (photographs, pictures of it, dim)."""
    groups = []
    for number, photograph in enumerate(photographs.of("fit")):
        image = photographs.shrunk(photograph.open(), FIT_PX)
        seeds = range(number * 100, number * 100 + HARD + MIDDLE)
        strengths: list[Strength] = ["hard"] * HARD + ["middle"] * MIDDLE
        again = [retake(image, *one) for one in zip(strengths, seeds, strict=True)]
        pixels = np.stack([to_pixels(one, preprocess) for one in (image, *again)])
        groups.append(embed(pixels))
    return np.stack(groups)


def _model(name: str, parts: Sequence[float], power: float, preprocess: Preprocess) -> StoredModel:
    """Without whitening; exported once, kept in a folder of its own."""
    source = sources.starter_of(None, parts, power, preprocess)
    told = hashlib.sha256(repr((source.digest(), parts, power, preprocess)).encode()).hexdigest()
    folder = FOLDER / f"{name}-{told[:12]}"
    if not folder.is_dir():
        print(f"exporting the starter, {name} …", flush=True)
        with _finished(folder) as graph:
            tower = lean.FromBytes(source.tower, preprocess)
            export.export(tower, export.two_pictures(preprocess), graph)
    return StoredModel(name, folder / store.GRAPH, preprocess, 1280, source.description, told)


def _whitened(model: StoredModel, name: str, whitening: starter.Whitening) -> Whitened:
    sums = model.digest.encode() + whitening.mean.tobytes() + whitening.basis.tobytes()
    told = hashlib.sha256(sums).hexdigest()
    about = {one.name: getattr(model, one.name) for one in fields(model)}
    return Whitened(**about | {"name": name, "digest": told}, plain=model, whitening=whitening)


def _white(plain: NDArray[np.float32], by: starter.Whitening) -> NDArray[np.float32]:
    centred = plain - by.mean
    white = centred - centred @ by.basis @ by.basis.T
    unit: NDArray[np.float32] = white / np.linalg.norm(white, axis=-1, keepdims=True)
    return unit


@contextmanager
def _finished(folder: Path) -> Iterator[Path]:
    """Where to write a graph; the folder is there only when that came to an end."""
    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    yield unfinished / store.GRAPH
    unfinished.rename(folder)
