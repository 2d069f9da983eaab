"""A data set and a setting to scores: each photo against its candidates."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clip_ranker.evaluate.data import Dataset, Fault, Query
from clip_ranker.evaluate.setting import Setting, summed
from clip_ranker.evaluate.titles import MOVES, Texts
from clip_ranker.rank.blend import blend


@dataclass(frozen=True)
class Scored:
    """One photo, or several of one item, held against its candidates.

    Attributes:
        item: number of what is shown.
        photos: names of the pictures.
        candidates: positions in the data set's listings, (n,).
        relevant: which of them are right, (n,).
        scores: of each, (n,).
    """

    item: int
    photos: tuple[str, ...]
    candidates: NDArray[np.intp]
    relevant: NDArray[np.bool_]
    scores: NDArray[np.float32]


def readable(
    dataset: Dataset, photos: Container[str], listings: Container[str]
) -> tuple[Dataset, list[Fault]]:
    """What is left when only pictures of these names can be had, and which photos go with them."""
    places = np.array([name in listings for name in dataset.listings], bool)
    queries, faults = list[Query](), list[Fault]()
    for query in dataset.queries:
        kept = places[query.candidates]
        if query.photo not in photos:
            continue
        if not query.relevant[kept].any():
            faults.append(Fault(query.photo, "no right listing of it can be read"))
            continue
        queries.append(Query(query.item, query.photo, query.candidates[kept], query.relevant[kept]))
    return replace(dataset, queries=queries), faults


def score(
    dataset: Dataset,
    setting: Setting,
    photos: dict[str, NDArray[np.float32]],
    listings: dict[str, NDArray[np.float32]],
    texts: Texts | None = None,
) -> list[Scored]:
    """Scores all photos of a data set of which everything is readable.

    Args:
        photos, listings: vectors by name, each (views of the setting, dim).
        texts: beside the pictures; without them titles do not count.

    Raises:
        DataError: a text cannot be read.
    """
    if not dataset.queries:
        return []
    absent = np.full_like(next(iter(listings.values())), np.nan)
    shown = summed(np.stack([listings.get(name, absent) for name in dataset.listings]))
    groups: dict[object, list[Query]] = {}
    for query in dataset.queries:
        groups.setdefault(query.item if setting.photos else query.photo, []).append(query)
    scored = [_score(group, setting, photos, shown) for group in groups.values()]
    if texts is None or not setting.title_weight:
        return scored
    return [_with_titles(one, dataset, setting, photos, shown, texts) for one in scored]


def _score(
    group: Sequence[Query],
    setting: Setting,
    photos: dict[str, NDArray[np.float32]],
    shown: NDArray[np.float32],
) -> Scored:
    candidates, relevant = _merged(group)
    names = tuple(query.photo for query in group)
    vectors = np.stack([photos[name] for name in names])
    return Scored(
        group[0].item, names, candidates, relevant, setting.scores(vectors, shown[candidates])
    )


def _with_titles(
    scored: Scored,
    dataset: Dataset,
    setting: Setting,
    photos: dict[str, NDArray[np.float32]],
    shown: NDArray[np.float32],
    texts: Texts,
) -> Scored:
    """The same, with titles and words."""
    likenesses = texts.likenesses(
        scored.photos,
        summed(np.stack([photos[name] for name in scored.photos])),
        [dataset.listings[place] for place in scored.candidates],
        shown[scored.candidates],
    )
    pictures = dict(enumerate(scored.scores.tolist()))
    blended = blend(pictures, likenesses, setting.title_weight, MOVES[setting.moved])
    return replace(scored, scores=np.array([one.score for one in blended.values()]))


def _merged(group: Sequence[Query]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Candidates of any photo of the group; right where one photo's is."""
    if len(group) == 1:
        return group[0].candidates, group[0].relevant
    candidates = np.unique(np.concatenate([query.candidates for query in group]))
    right = np.concatenate([query.candidates[query.relevant] for query in group])
    return candidates, np.isin(candidates, right)
