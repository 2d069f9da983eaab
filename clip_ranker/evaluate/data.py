"""A data set: photos, the listings that each is held against, and which of them are right.

Three forms: a folder of items, a CSV file of judged pairs, and the feedback that an app collected.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from clip_ranker.errors import ClipRankerError
from clip_ranker.models.encoder import Embedding

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".gif", ".bmp"})
COLUMNS = ("query", "candidate", "relevant")
TRUE, FALSE = ("1", "true", "yes"), ("0", "false", "no", "")
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


def read(path: Path) -> Dataset:
    """Reads a folder or a CSV file.

    Raises:
        DataError: there is no data set, or too little of one.
    """
    try:
        found = _folder(path) if path.is_dir() else _csv(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no CSV file in UTF-8: {error}") from error
    return checked(found)


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


def _folder(root: Path) -> Dataset:
    """``items/<item>/query*`` and ``items/<item>/listing*``."""
    queries: list[tuple[int, str]] = []
    listings: list[str] = []
    listing_items: list[int] = []
    faults: list[Fault] = []
    items = root / "items"
    folders = (
        sorted(folder for folder in items.iterdir() if folder.is_dir()) if items.is_dir() else []
    )
    for number, folder in enumerate(folders):
        pictures = sorted(
            file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()
        )
        shown = [str(file) for file in pictures if file.name.startswith("listing")]
        asked = [str(file) for file in pictures if file.name.startswith("query")]
        listings += shown
        listing_items += [number] * len(shown)
        if asked and not shown:
            faults.append(Fault(str(folder), "has no listing*, only query*"))
        elif asked:
            queries += [(number, photo) for photo in asked]
        elif not shown:
            faults.append(Fault(str(folder), "has neither query* nor listing*"))
    all_of_them, owners = np.arange(len(listings)), np.array(listing_items, int)
    return Dataset(
        name=str(root),
        queries=[Query(item, photo, all_of_them, owners == item) for item, photo in queries],
        listings=listings,
        listing_items=listing_items,
        faults=faults,
    )


def _csv(path: Path) -> Dataset:
    """Rows of query, candidate, relevant; paths are relative to the file's folder."""
    pairs: list[Pair] = []
    faults: list[Fault] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
            raise DataError(f"{path} lacks the column {missing[0]}; it needs {', '.join(COLUMNS)}")
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            photo, listing, relevant = (str(row[name] or "").strip() for name in COLUMNS)
            files = [path.parent / name for name in (photo, listing)]
            if relevant.lower() not in TRUE + FALSE:
                faults.append(Fault(where, f"relevant is '{relevant}', neither 1 nor 0"))
            elif absent := [file for file in files if not file.is_file()]:
                faults.append(Fault(where, f"there is no file {absent[0]}"))
            else:
                pairs.append(Pair(str(files[0]), str(files[1]), relevant.lower() in TRUE))
    return from_pairs(str(path), pairs, faults)


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
