"""Data sets of files: a folder of items, or a CSV file of judged pairs."""

import csv
from pathlib import Path

import numpy as np

from clip_ranker.evaluate.data import DataError, Dataset, Fault, Pair, Query, checked, from_pairs

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".gif", ".bmp"})
COLUMNS = ("query", "candidate", "relevant")
TRUE, FALSE = ("1", "true", "yes"), ("0", "false", "no", "")


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
