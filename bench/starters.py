"""The starter in steps, each a model of its own: what views, pooling and whitening are worth."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from bench.datasets import photographs
from clip_ranker.decode.geometry import to_pixels
from clip_ranker.evaluate.retake import Strength, retake
from clip_ranker.importing import export, lean, sources, starter
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


def before() -> StoredModel:
    """As the starter was: the mean of the features, in a centre crop of 224 pixels."""
    return _model("before", WHOLE, 1, sources.starter_pixels(side_px=224, whole=False))


def steps() -> Iterator[StoredModel]:
    """What each change does alone, and together, whitening with several strengths."""
    yield before()
    yield _model("gem", WHOLE, GEM, sources.starter_pixels(side_px=224, whole=False))
    views, gem_views = _views(1), _views(GEM)
    yield from (views, gem_views)
    vectors = _kept(gem_views)
    for strength in STRENGTHS:
        within = starter.fitted(vectors, strength)
        yield _whitened(gem_views, f"all-{strength:g}", within)
    for strength in TOTAL_STRENGTHS:
        # As one group: the covariance of all pictures instead of that within photographs.
        total = starter.fitted(vectors.reshape(1, -1, vectors.shape[-1]), strength)
        yield _whitened(gem_views, f"all-total-{strength:g}", total)
    for model in (views, before()):
        fitted = starter.fitted(_kept(model), starter.STRENGTH)
        yield _whitened(model, f"{model.name}-whitened", fitted)


def fit() -> starter.Whitening:
    """What ships; in torch, which spares an export."""
    source = sources.starter_of(None, starter.PARTS, starter.POWER, sources.starter_pixels())
    return starter.fitted(_vectors(in_torch(source), source.preprocess), starter.STRENGTH)


def in_torch(source: sources.Source) -> Embed:
    """Pixels to vectors as an export of it would."""
    tower = lean.FromBytes(source.tower, source.preprocess).eval()

    def embed(pixels: Pixels) -> Embedding:
        with torch.no_grad():
            return tower(torch.from_numpy(pixels)).numpy()

    return embed


def _views(power: float) -> StoredModel:
    name = "views" if power == 1 else "gem-views"
    return _model(name, starter.PARTS, power, sources.starter_pixels())


def _kept(model: StoredModel) -> NDArray[np.float32]:
    return _vectors(Encoder(model.graph), model.preprocess)


def _vectors(embed: Embed, preprocess: Preprocess) -> NDArray[np.float32]:
    """Of each photograph to fit on itself and taken again: (photographs, pictures of it, dim)."""
    vectors = []
    for number, photograph in enumerate(photographs.of("fit")):
        image = photographs.shrunk(photograph.open(), FIT_PX)
        seeds = range(number * 100, number * 100 + HARD + MIDDLE)
        strengths: list[Strength] = ["hard"] * HARD + ["middle"] * MIDDLE
        again = [retake(image, *one) for one in zip(strengths, seeds, strict=True)]
        pixels = np.stack([to_pixels(one, preprocess) for one in (image, *again)])
        vectors.append(embed(pixels))
    return np.stack(vectors)


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


def _whitened(model: StoredModel, name: str, whitening: starter.Whitening) -> StoredModel:
    """The same with whitening behind it: what the starter does inside, without another export."""
    sums = model.digest.encode() + whitening.mean.tobytes() + whitening.basis.tobytes()
    told = hashlib.sha256(sums).hexdigest()
    folder = FOLDER / f"{name}-{told[:12]}"
    if not folder.is_dir():
        loaded = onnx.load(model.graph)
        (output,) = loaded.graph.output
        for node in loaded.graph.node:
            node.output[:] = ["plain" if one == output.name else one for one in node.output]
        arrays = {"mean": whitening.mean, "basis": whitening.basis, "back": whitening.basis.T}
        loaded.graph.initializer.extend(
            numpy_helper.from_array(np.ascontiguousarray(array), f"whitening.{key}")
            for key, array in arrays.items()
        )
        loaded.graph.node.extend(
            [
                helper.make_node("Sub", ["plain", "whitening.mean"], ["centred"]),
                helper.make_node("MatMul", ["centred", "whitening.basis"], ["along"]),
                helper.make_node("MatMul", ["along", "whitening.back"], ["shrunk"]),
                helper.make_node("Sub", ["centred", "shrunk"], ["whitened"]),
                helper.make_node("LpNormalization", ["whitened"], [output.name], axis=-1, p=2),
            ]
        )
        with _finished(folder) as graph:
            onnx.save_model(loaded, graph, save_as_external_data=True, location=store.WEIGHTS)
    return replace(model, name=name, graph=folder / store.GRAPH, digest=told)


@contextmanager
def _finished(folder: Path) -> Iterator[Path]:
    """Where to write a graph; the folder is there only when that came to an end."""
    unfinished = folder.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    yield unfinished / store.GRAPH
    unfinished.rename(folder)
