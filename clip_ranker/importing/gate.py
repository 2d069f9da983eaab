"""Whether a cheaper graph still ranks as the exact one does, on real photographs.

Twelve queries, each a shipped picture as a phone would take it again, against 48 listings, each
picture whole and in three parts. Every import measures the weights that it imports.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from clip_ranker import examples
from clip_ranker.decode import geometry, images
from clip_ranker.errors import ImportRefusedError
from clip_ranker.models.preprocess import Preprocess

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
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

    def as_dict(self) -> dict[str, float]:
        """For the store's metadata."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


BARS = Agreement(worst_cosine=0.99, top_1=0.9, top_10=0.9, kendall_tau=0.9)
"""At least this. Of twelve queries one may have another first listing."""


def check(agreement: Agreement, bars: Agreement = BARS) -> None:
    """Lets pass or refuses.

    Raises:
        ImportRefusedError: a bar is missed; with all the numbers.
    """
    measured, wanted = asdict(agreement), asdict(bars)
    missed = [name for name in measured if not measured[name] >= wanted[name]]
    if missed:
        numbers = ", ".join(f"{n} {measured[n]:.4f} (at least {wanted[n]:g})" for n in measured)
        raise ImportRefusedError(f"in 8 bits this model ranks differently: {numbers}")


def measure(exact: Embed, cheap: Embed, preprocess: Preprocess) -> Agreement:
    """Embeds queries and listings with both and compares.

    Args:
        exact: uint8 (batch, height, width, 3) to float32 (batch, dim) of unit length.
        cheap: likewise.
        preprocess: of both.
    """
    photographs = list(_photographs())
    queries = _pixels([as_by_phone(photo) for photo in photographs], preprocess)
    listings = _pixels([part for photo in photographs for part in _parts(photo)], preprocess)
    pairs = [(_all(exact, pixels), _all(cheap, pixels)) for pixels in (queries, listings)]
    cosines = np.concatenate([(wanted * got).sum(axis=1) for wanted, got in pairs])
    (wanted_queries, got_queries), (wanted_listings, got_listings) = pairs
    wanted_scores = wanted_queries @ wanted_listings.T
    got_scores = got_queries @ got_listings.T
    return agreement(wanted_scores, got_scores, worst_cosine=float(cosines.min()))


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


def as_by_phone(photo: Image.Image) -> Image.Image:
    """The same thing photographed again: tilted, closer, dimmer, softer, compressed."""
    width, height = photo.size
    tilted = photo.rotate(4, Image.Resampling.BICUBIC, fillcolor=(127, 127, 127))
    closer = tilted.crop((width // 12, height // 12, width - width // 12, height - height // 12))
    dimmer = ImageEnhance.Color(ImageEnhance.Brightness(closer).enhance(0.8)).enhance(0.85)
    file = io.BytesIO()
    dimmer.filter(ImageFilter.GaussianBlur(0.8)).save(file, "JPEG", quality=60)
    return Image.open(file).convert("RGB")


def _photographs() -> Iterator[Image.Image]:
    for name in examples.names():
        data = examples.read(examples.SCHEME + name)
        yield images.decode(data, max_pixels=10**7)


def _parts(photo: Image.Image) -> Iterator[Image.Image]:
    width, height = photo.size
    yield photo
    yield photo.crop((0, 0, 2 * width // 3, height))
    yield photo.crop((width // 3, 0, width, height))
    yield photo.crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4))


def _pixels(pictures: list[Image.Image], preprocess: Preprocess) -> NDArray[np.uint8]:
    return np.stack([geometry.to_pixels(picture, preprocess) for picture in pictures])


def _all(embed: Embed, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([embed(pixels[at : at + BATCH]) for at in range(0, len(pixels), BATCH)])


def _tau(wanted: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    upper = np.triu_indices(len(wanted), 1)
    signs = [np.sign(scores[upper[0]] - scores[upper[1]]) for scores in (wanted, got)]
    return float(np.mean(signs[0] * signs[1]))
