"""Titles and words beside the pictures of a data set, and what they say of its listings.

Beside ``listing.jpg`` its title is ``listing.txt``; beside ``query.jpg``, ``query.txt`` holds words
that a person would type.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip_ranker.evaluate.data import DataError
from clip_ranker.models.encoder import Embedding
from clip_ranker.rank.blend import SAME, Likeness, with_their_spread
from clip_ranker.rank.lexical import spelt_alike
from clip_ranker.rank.titles import LONGEST, by_model

Encode = Callable[[Sequence[str]], Embedding]
SUFFIX = ".txt"


class Texts:
    """Texts beside pictures, each read and embedded once.

    Args:
        load: makes what turns texts into float32 (batch, dim), of the model's text tower; None
            where it has none, and words are compared with titles by their spelling.
    """

    def __init__(self, load: Callable[[], Encode] | None) -> None:
        self._load = load
        self._read: dict[str, str] = {}
        self._vectors: dict[str, Embedding] = {}

    def likenesses(
        self,
        photos: Sequence[str],
        photo_vectors: NDArray[np.float32],
        listings: Sequence[str],
        listing_vectors: NDArray[np.float32],
    ) -> list[Likeness]:
        """As the service compares them; of several photos' words the first count.

        Args:
            photos, listings: names of the pictures.
            photo_vectors, listing_vectors: shape (pictures, dim), unit length.

        Raises:
            DataError: a text cannot be read.
        """
        words = next(filter(None, map(self._beside, photos)), "")
        titles = {n: self._beside(name) for n, name in enumerate(listings)}
        titles = {n: title for n, title in titles.items() if title}
        if self._load is None:
            return [spelt_alike(words, titles)] if words else []
        vectors = self._embedded([*filter(None, [words]), *titles.values()])
        return by_model(
            photo_vectors,
            vectors[words] if words else None,
            {n: vectors[title] for n, title in titles.items()},
            dict(enumerate(listing_vectors)),
        )

    @cached_property
    def _encode(self) -> Encode:
        assert self._load is not None
        return self._load()

    def _embedded(self, texts: Sequence[str]) -> Mapping[str, Embedding]:
        if new := [text for text in dict.fromkeys(texts) if text not in self._vectors]:
            self._vectors.update(zip(new, self._encode(new), strict=True))
        return self._vectors

    def _beside(self, picture: str) -> str:
        if picture not in self._read:
            path = Path(picture).with_suffix(SUFFIX)
            try:
                text = path.read_text(encoding="utf-8-sig")
            except FileNotFoundError:
                text = ""
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"{path} cannot be read as text in UTF-8: {error}") from error
            self._read[picture] = text.strip()[:LONGEST]
        return self._read[picture]


def with_their_range(pictures: Likeness, text: Likeness) -> Likeness:
    """Min-max: the least and the greatest likeness become those of the pictures' cosines."""
    said = [text[n] for n in pictures]
    if not said or max(said) - min(said) < SAME:
        return {}
    least, most = min(pictures.values()), max(pictures.values())
    factor = (most - least) / (max(said) - min(said)) if most > least else 1.0
    return {n: least + factor * (text[n] - min(said)) for n in pictures}


def with_their_ranks(pictures: Likeness, text: Likeness) -> Likeness:
    """The n-th likeness becomes the n-th of the pictures' cosines; equal ones their mean."""
    shown = np.sort(list(pictures.values()))
    said = np.array([text[n] for n in pictures])
    if not len(said) or said.min() == said.max():
        return {}
    ordered = np.sort(said)
    return {
        n: float(
            shown[
                np.searchsorted(ordered, text[n]) : np.searchsorted(ordered, text[n], "right")
            ].mean()
        )
        for n in pictures
    }


MOVES = {"spread": with_their_spread, "range": with_their_range, "ranks": with_their_ranks}
