"""Holds an export against its source, on real photographs, before it is stored."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from clip_ranker import examples
from clip_ranker.decode import geometry, images
from clip_ranker.errors import ImportRefusedError
from clip_ranker.models.encoder import Encoder

if TYPE_CHECKING:
    from clip_ranker.importing.sources import Source

MIN_COSINE = 0.99999
UNIT_TOLERANCE = 1e-4
IMAGE_RESIZE_PX = 768
# Odd sizes, both directions, smaller than an input and larger than the first resize.
SHAPES = ((400, 400), (333, 211), (97, 240), (400, 61), (1024, 767))


@dataclass(frozen=True)
class Parity:
    """How close the export came.

    Attributes:
        worst_cosine: between the export and the source, over all ``pictures``.
        different_pixels: of all pictures, after preprocessing by either side.
        dim: width of an embedding.
    """

    pictures: int
    worst_cosine: float
    different_pixels: int
    dim: int


def check(source: "Source", graph: Path) -> Parity:
    """Compares pixels and embeddings.

    Raises:
        ImportRefusedError: a pixel differs, or a cosine is under ``MIN_COSINE``; with the numbers.
    """
    encoder = Encoder(graph)
    cosines: list[float] = []
    different = 0
    for picture in photographs():
        pixels = geometry.to_pixels(picture, source.preprocess)
        with torch.no_grad():
            wanted = source.transform(picture)
            reference = source.encode(wanted[None])[0].numpy()
        different += int((pixels != _as_pixels(wanted, source)).any(axis=2).sum())
        cosines.append(cosine(encoder(pixels[None])[0], reference))
    parity = Parity(len(cosines), float(np.min(cosines)), different, reference.shape[0])
    if not parity.worst_cosine >= MIN_COSINE or different:  # NaN is no match either
        raise ImportRefusedError(
            f"the export does not match its source on {parity.pictures} photographs: worst "
            f"cosine {parity.worst_cosine:.7f} (at least {MIN_COSINE} is wanted), "
            f"{different} pixels differ (none may); nothing was stored"
        )
    return parity


def cosine(exported: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Of two vectors; NaN if the exported one is not of unit length, as the service expects it."""
    length = float(np.linalg.norm(exported))
    if not abs(length - 1) < UNIT_TOLERANCE:
        return float("nan")
    return float(exported @ reference / (length * np.linalg.norm(reference)))


def shipped() -> Iterator[Image.Image]:
    """The pictures that ship with the package, RGB."""
    for name in examples.names():
        yield images.decode(examples.read(examples.SCHEME + name), max_pixels=10**7)


def photographs() -> Iterator[Image.Image]:
    """The shipped pictures, each cut or grown to one of ``SHAPES`` and then fitted."""
    for picture, (width, height) in zip(shipped(), itertools.cycle(SHAPES), strict=False):
        if width > picture.width:
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        yield geometry.fit(picture.crop((0, 0, width, height)), IMAGE_RESIZE_PX)


def _as_pixels(transformed: torch.Tensor, source: "Source") -> NDArray[np.uint8]:
    """Takes the normalisation back: (3, height, width) of floats to (height, width, 3) of uint8."""
    mean, std = (np.asarray(v) for v in (source.preprocess.mean, source.preprocess.std))
    grey = (transformed.numpy().transpose(1, 2, 0).astype(np.float64) * std + mean) * 255
    return np.asarray(np.round(grey), np.uint8)
