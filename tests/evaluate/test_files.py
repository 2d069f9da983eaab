"""Data sets of files: what is read, and what is left out and named."""

from pathlib import Path

import numpy as np
import pytest

from clip_ranker.evaluate import files
from clip_ranker.evaluate.data import DataError, Pair, from_pairs


def folder(root: Path, *names: str) -> Path:
    """Empty files: nothing is decoded here."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def rows(root: Path, *lines: str) -> Path:
    path = root / "pairs.csv"
    path.write_text("\n".join(["query,candidate,relevant", *lines]))
    return path


def test_a_folder_of_items(tmp_path: Path) -> None:
    root = folder(
        tmp_path,
        *("items/a/query-1.jpg", "items/a/query-2.PNG", "items/a/listing.webp"),
        *("items/b/query.heic", "items/b/listing-1.jpg", "items/b/listing-2.jpg"),
        *("items/only-others/listing.jpg", "items/a/notes.txt", "items/a/query.txt"),
    )
    found = files.read(root)
    assert [Path(query.photo).name for query in found.queries] == [
        "query-1.jpg",
        "query-2.PNG",
        "query.heic",
    ]
    assert [Path(name).parent.name for name in found.listings] == ["a", "b", "b", "only-others"]
    assert [query.relevant.tolist() for query in found.queries] == [
        [True, False, False, False],
        [True, False, False, False],
        [False, True, True, False],
    ]
    assert found.items == 2
    assert not found.faults


def test_an_item_without_a_listing_is_named_and_left_out(tmp_path: Path) -> None:
    root = folder(
        tmp_path,
        *("items/a/query.jpg", "items/a/listing.jpg", "items/b/query.jpg", "items/b/listing.jpg"),
        *("items/lonely/query.jpg", "items/empty/notes.txt"),
    )
    found = files.read(root)
    assert found.items == 2
    assert {Path(fault.what).name: fault.why for fault in found.faults} == {
        "lonely": "has no listing*, only query*",
        "empty": "has neither query* nor listing*",
    }


@pytest.mark.parametrize("names", [(), ("items/a/query.jpg", "items/a/listing.jpg"), ("a.jpg",)])
def test_too_little_of_a_folder_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"holds [01] items .* at least 2 are needed"):
        files.read(folder(tmp_path, *names))


def test_a_csv_file_holds_a_photo_against_what_is_listed_with_it(tmp_path: Path) -> None:
    folder(tmp_path, *(f"pictures/{name}.jpg" for name in "abxyz"))
    path = rows(
        tmp_path,
        *("pictures/a.jpg,pictures/x.jpg,1", "pictures/a.jpg,pictures/y.jpg,0"),
        *("pictures/b.jpg,pictures/y.jpg,yes", "pictures/b.jpg,pictures/z.jpg,false"),
    )
    found = files.read(path)
    assert [Path(name).stem for name in found.listings] == ["x", "y", "z"]
    assert [query.candidates.tolist() for query in found.queries] == [[0, 1], [1, 2]]
    assert [query.relevant.tolist() for query in found.queries] == [[True, False]] * 2
    assert found.items == 2


def test_rows_that_make_no_sense_are_named_by_their_line(tmp_path: Path) -> None:
    folder(tmp_path, "a.jpg", "b.jpg", "x.jpg", "y.jpg")
    path = rows(
        tmp_path,
        *("a.jpg,x.jpg,1", "b.jpg,y.jpg,1", "a.jpg,gone.jpg,0", "a.jpg,y.jpg,perhaps", "b.jpg"),
    )
    found = files.read(path)
    assert found.items == 2
    assert [fault.what.rpartition(", ")[2] for fault in found.faults] == [
        "line 4",
        "line 5",
        "line 6",
    ]
    assert "gone.jpg" in found.faults[0].why
    assert found.faults[1].why == "relevant is 'perhaps', neither 1 nor 0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"query,candidate\na,b\n", "lacks the column relevant"),
        (b"", "lacks the column query"),
        (b"query,candidate,relevant\n\xff\xfe,b,1\n", "no CSV file in UTF-8"),
        (b"query,candidate,relevant\n", "holds 0 items"),
    ],
)
def test_what_is_no_such_csv_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        files.read(path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone cannot be read: No such file"):
        files.read(tmp_path / "gone")


def test_photos_that_share_a_right_listing_show_one_item() -> None:
    pairs = [
        *(Pair("a", "x", same=True), Pair("b", "x", same=True), Pair("c", "y", same=True)),
        *(Pair("c", "wrong", same=False), Pair("a", "wrong", same=False)),
    ]
    found = from_pairs("d", pairs)
    a, b, c = (query.item for query in found.queries)
    assert a == b != c
    # What is right for none belongs to the first photo that it was judged with.
    assert dict(zip(found.listings, found.listing_items, strict=True)) == {
        "x": a,
        "y": c,
        "wrong": c,
    }


def test_of_two_judgements_the_last_counts_and_a_photo_needs_a_right_listing() -> None:
    pairs = [Pair("a", "x", same=True), Pair("a", "x", same=False), Pair("b", "x", same=True)]
    found = from_pairs("d", pairs)
    assert [query.photo for query in found.queries] == ["b"]
    assert [fault.what for fault in found.faults] == ["a"]
    assert not np.any([query.relevant.size == 0 for query in found.queries])
    assert from_pairs("d", []).items == 0
