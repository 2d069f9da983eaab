"""The starter in steps, each a model of its own: what views, pooling and whitening are worth."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.datasets import photographs
from clip_ranker.decode.geometry import to_pixels
from clip_ranker.importing import export, lean, sources, starter
from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder
from clip_ranker.models.preprocess import Preprocess
from clip_ranker.models.store import StoredModel

FOLDER = Path(".cache/evaluate/starters")
STRENGTHS = (1, 3, 10, 30)
CROPS = ((0, 0, 1, 1), (0, 0, 0.6, 0.6), (0.4, 0, 1, 0.6), (0, 0.4, 0.6, 1), (0.4, 0.4, 1, 1))
"""Of each photograph that the whitening is fitted on: whole, and four parts."""
WHOLE = (1.0,)


def before() -> StoredModel:
    """As the starter was: the mean of the features, in a centre crop of 224 pixels."""
    return _model("before", None, WHOLE, 1, sources.starter_pixels(side_px=224, whole=False))


def steps() -> Iterator[StoredModel]:
    """What each change does alone, and all together with several strengths."""
    crop = sources.starter_pixels(side_px=224, whole=False)
    whole = sources.starter_pixels()
    yield before()
    gem = _model("gem", None, WHOLE, starter.POWER, crop)
    yield gem
    strength = starter.STRENGTH
    yield _model("gem-whitened", _fitted(gem, strength), WHOLE, starter.POWER, crop)
    views = _model("gem-views", None, starter.PARTS, starter.POWER, whole)
    yield views
    vectors = _vectors(views)
    for strength in STRENGTHS:
        fitted = starter.fitted(vectors, strength)
        yield _model(f"all-{strength}", fitted, starter.PARTS, starter.POWER, whole)


def fit() -> starter.Whitening:
    """What ships: fitted on the photographs of the part ``fit``."""
    views = _model("gem-views", None, starter.PARTS, starter.POWER, sources.starter_pixels())
    return starter.fitted(_vectors(views), starter.STRENGTH)


def _fitted(model: StoredModel, strength: float) -> starter.Whitening:
    return starter.fitted(_vectors(model), strength)


def _vectors(model: StoredModel) -> NDArray[np.float32]:
    """Of the photographs to fit on."""
    encoder = Encoder(model.graph)
    vectors = []
    for photograph in photographs.every().values():
        if photograph.part == "fit":
            image = photograph.open()
            size = np.array(image.size * 2)
            crops = [image.crop(tuple((size * part).astype(int).tolist())) for part in CROPS]
            pixels = np.stack([to_pixels(crop, model.preprocess) for crop in crops])
            vectors.append(encoder(pixels))
    return np.concatenate(vectors)


def _model(
    name: str,
    whitening: starter.Whitening | None,
    parts: Sequence[float],
    power: float,
    preprocess: Preprocess,
) -> StoredModel:
    """Exported once, kept in a folder of its own."""
    source = sources.starter_of(whitening, parts, power, preprocess)
    digest = source.digest()
    told = hashlib.sha256(repr((digest, parts, power, preprocess)).encode()).hexdigest()[:12]
    graph = FOLDER / f"{name}-{told}" / store.GRAPH
    if not graph.with_suffix(".done").is_file():
        print(f"exporting the starter, {name} …", flush=True)
        graph.parent.mkdir(parents=True, exist_ok=True)
        example = export.two_pictures(preprocess)
        export.export(lean.FromBytes(source.tower, preprocess), example, graph)
        graph.with_suffix(".done").touch()
    return StoredModel(name, graph, preprocess, 1280, source.description, digest)
