"""Whether a cheaper graph still ranks as the exact one does, on real photographs.

Twelve queries, each a shipped picture as a phone would take it again, against 48 listings, each
picture whole and in three parts. Every import measures the weights that it imports.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_ranker.decode import geometry
from clip_ranker.errors import ImportRefusedError
from clip_ranker.evaluate.retake import retake
from clip_ranker.importing import parity
from clip_ranker.models.encoder import Encoder
from clip_ranker.models.preprocess import Preprocess

BATCH = 16
TOP = 10
TIE = 0.005
"""Scores as close as this have no order that anybody could see."""


@dataclass(frozen=True)
class Agreement:
    """Between two graphs over the same pictures; 1 is perfect everywhere.

    Attributes:
        worst_cosine: of any picture's two vectors.
        top_1: share of queries whose first listing is the first of the exact graph too, or ties
            with it there by ``TIE``.
        top_10: share of the first ten listings that are the same, mean over queries.
        kendall_tau: of the two orders of all listings, mean over queries (tau-a).
    """

    worst_cosine: float
    top_1: float
    top_10: float
    kendall_tau: float


BARS = Agreement(worst_cosine=0.99, top_1=0.9, top_10=0.9, kendall_tau=0.9)
"""At least this. Of twelve queries one may have another first listing."""


def check(agreement: Agreement) -> None:
    """Holds it against ``BARS``.

    Raises:
        ImportRefusedError: a bar is missed; with all the numbers.
    """
    measured, wanted = asdict(agreement), asdict(BARS)
    missed = [name for name in measured if not measured[name] >= wanted[name]]
    if missed:
        numbers = ", ".join(f"{n} {measured[n]:.4f} (at least {wanted[n]:g})" for n in measured)
        raise ImportRefusedError(f"in 8 bits this model ranks differently: {numbers}")


def measure(exact: Encoder, cheap: Encoder, preprocess: Preprocess) -> Agreement:
    """Embeds queries and listings with both and compares."""
    photographs = list(parity.shipped())
    queries = [retake(photo, "light", seed) for seed, photo in enumerate(photographs)]
    listings = [part for photo in photographs for part in _parts(photo)]
    pixels = np.stack([geometry.to_pixels(one, preprocess) for one in queries + listings])
    batches = np.split(pixels, range(BATCH, len(pixels), BATCH))
    wanted, got = (np.concatenate([*map(encoder, batches)]) for encoder in (exact, cheap))
    scores = [vectors[: len(queries)] @ vectors[len(queries) :].T for vectors in (wanted, got)]
    return agreement(*scores, worst_cosine=float((wanted * got).sum(axis=1).min()))


def agreement(
    wanted: NDArray[np.float32], got: NDArray[np.float32], *, worst_cosine: float
) -> Agreement:
    """Compares scores of shape (queries, listings)."""
    orders = [np.argsort(-scores, axis=1, kind="stable") for scores in (wanted, got)]
    firsts = np.take_along_axis(wanted, orders[1][:, :1], axis=1)[:, 0]
    both = [len(np.intersect1d(a[:TOP], b[:TOP])) for a, b in zip(*orders, strict=True)]
    return Agreement(
        worst_cosine=worst_cosine,
        top_1=float(np.mean(wanted.max(axis=1) - firsts <= TIE)),
        top_10=float(np.mean(both)) / min(TOP, wanted.shape[1]),
        kendall_tau=float(np.mean([_tau(*pair) for pair in zip(wanted, got, strict=True)])),
    )


def _parts(photo: Image.Image) -> Iterator[Image.Image]:
    width, height = photo.size
    yield photo
    yield photo.crop((0, 0, 2 * width // 3, height))
    yield photo.crop((width // 3, 0, width, height))
    yield photo.crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4))


def _tau(wanted: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    upper = np.triu_indices(len(wanted), 1)
    signs = [np.sign(scores[upper[0]] - scores[upper[1]]) for scores in (wanted, got)]
    return float(np.mean(signs[0] * signs[1]))
