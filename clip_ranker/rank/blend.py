"""What pictures and what texts say of listings, to one score. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

Likeness = Mapping[int, float]
"""Of listings, by position."""


SAME = 1e-5
"""Cosines of one text in two batches differ by less."""


class Blended(NamedTuple):
    """Of one listing; all on the scale of the pictures' cosines.

    Attributes:
        score: weighted mean of the two parts; the picture's alone where no text says anything.
        picture: cosine similarity, as it is without texts.
        text: likeness by texts, moved onto the pictures' scale; None where there is none.
    """

    score: float
    picture: float
    text: float | None


def blend(
    pictures: Likeness,
    texts: Sequence[Likeness],
    weight: float,
    moved: Callable[[Likeness, Likeness], Likeness] | None = None,
) -> dict[int, Blended]:
    """Scores of all listings with a picture.

    Cosines of pictures and of texts live on different scales, so texts are moved onto that of the
    pictures. A listing of which no text says anything counts by its picture alone, and
    moves no other.

    Args:
        pictures: cosine similarities.
        texts: each of one kind, such as photo to title.
        weight: of the texts, 0 to 1.
        moved: how, as ``with_their_spread`` does it, the default.
    """
    move = moved or with_their_spread
    kinds = [move({n: pictures[n] for n in text if n in pictures}, text) for text in texts]
    scores = {}
    for n, picture in pictures.items():
        said = [kind[n] for kind in kinds if n in kind]
        text = sum(said) / len(said) if said else None
        score = picture if text is None else (1 - weight) * picture + weight * text
        scores[n] = Blended(score, picture, text)
    return scores


def with_their_spread(pictures: Likeness, text: Likeness) -> Likeness:
    """A text's likeness with the mean and the standard deviation of the pictures' cosines.

    Empty where all texts are equally alike, which tells nothing, and where they differ by less than
    the rounding of one batch and another, which would be blown up. Where all pictures are equally
    alike, the texts keep their own deviation.

    Args:
        pictures: of listings that have both.
        text: of these, or more.
    """
    # Sorted, so that sums do not depend on the order of the listings.
    shown = np.sort(list(pictures.values()))
    said = np.sort([text[n] for n in pictures])
    if not len(said) or said[-1] - said[0] < SAME:
        return {}
    factor = 1.0 if shown[0] == shown[-1] else float(shown.std() / said.std())
    shown_mean, said_mean = float(shown.mean()), float(said.mean())
    return {n: shown_mean + factor * (text[n] - said_mean) for n in pictures}
