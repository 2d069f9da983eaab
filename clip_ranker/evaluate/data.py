"""A data set: photos, the listings that each is held against, and which of them are right."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from clip_ranker.errors import ClipRankerError
from clip_ranker.models.encoder import Embedding

LEAST_ITEMS = 2
"""One has no other to be mistaken for."""


class DataError(ClipRankerError):
    """A data set cannot be used; the text says which, why, and what it should hold."""


@dataclass(frozen=True)
class Fault:
    """What was left out, and why; the rest goes on."""

    what: str
    why: str


@dataclass(frozen=True)
class Query:
    """One photo.

    Attributes:
        item: number of the thing it shows; what is split and resampled.
        photo: name of the picture.
        candidates: positions in the data set's listings, (n,).
        relevant: which of them show the same item, (n,).
    """

    item: int
    photo: str
    candidates: NDArray[np.intp]
    relevant: NDArray[np.bool_]


@dataclass(frozen=True)
class Dataset:
    """Photos and listings; pictures are named by their paths.

    Attributes:
        listing_items: of each listing the number of its item.
        vectors: by name, where there are vectors instead of files.
    """

    name: str
    queries: Sequence[Query]
    listings: Sequence[str]
    listing_items: Sequence[int]
    faults: Sequence[Fault] = ()
    vectors: Mapping[str, Embedding] = field(default_factory=dict)

    @property
    def items(self) -> int:
        """How many have a photo."""
        return len({query.item for query in self.queries})


class Pair(NamedTuple):
    """One judgement: does the listing show what the photo shows."""

    photo: str
    listing: str
    same: bool


def checked(dataset: Dataset) -> Dataset:
    """The same one; DataError when it has under two items with a photo and a right listing."""
    if dataset.items < LEAST_ITEMS:
        faults = "".join(f"\n  {fault.what}: {fault.why}" for fault in dataset.faults[:10])
        raise DataError(
            f"{dataset.name} holds {dataset.items} items with a photo and a right listing, at "
            f"least {LEAST_ITEMS} are needed; `evaluate --help` shows what it should look "
            f"like{faults}"
        )
    return dataset


def from_pairs(name: str, pairs: Iterable[Pair], faults: Sequence[Fault] = ()) -> Dataset:
    """Each photo is held against the listings that it was judged with; of doubles the last counts.

    Photos that share a right listing show one item. A listing that is right for none belongs to
    the first photo that it was judged with.
    """
    judged = {(pair.photo, pair.listing): pair.same for pair in pairs}
    photos = {photo: at for at, photo in enumerate(dict.fromkeys(photo for photo, _ in judged))}
    listings = {one: at for at, one in enumerate(dict.fromkeys(listing for _, listing in judged))}
    owned = dict[str, str]()
    for (photo, listing), same in judged.items():
        if same or listing not in owned:
            owned[listing] = photo
    links = {pair for pair, same in judged.items() if same}
    links |= {(photo, listing) for listing, photo in owned.items()}
    ends = np.array(
        [(photos[photo], len(photos) + listings[listing]) for photo, listing in links], int
    ).reshape(-1, 2)
    size = len(photos) + len(listings)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(size, size))
    _, items = connected_components(graph, directed=False) if size else (0, np.array([], int))
    by_photo: dict[str, list[tuple[int, bool]]] = {photo: [] for photo in photos}
    for (photo, listing), same in judged.items():
        by_photo[photo].append((listings[listing], same))
    queries, left_out = [], []
    for photo, held in by_photo.items():
        candidates, relevant = zip(*held, strict=True)
        if any(relevant):
            item = int(items[photos[photo]])
            queries.append(Query(item, photo, np.array(candidates), np.array(relevant)))
        else:
            left_out.append(Fault(photo, "has no right listing"))
    return Dataset(
        name=name,
        queries=queries,
        listings=list(listings),
        listing_items=[int(number) for number in items[len(photos) :]],
        faults=[*faults, *left_out],
    )
