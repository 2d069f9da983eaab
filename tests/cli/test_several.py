"""Several photos, tables in and out, and folders beside a service."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from clip_ranker import examples
from clip_ranker.cli.main import main
from tests.running import Service

PHOTOS = [str(examples.FOLDER / f"{name}.jpg") for name in ("cat", "coffee")]
ROWS = [
    ("A1", "example:coffee", "=1+1"),
    ("-2", "example:cat", "猫、白"),
    ("A3", "", "\uff1dSUM(1)"),
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Listings as a spreadsheet writes them."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("auction_id", "image_url", "title", "price"), *ROWS])
    path = tmp_path / "listings.csv"
    path.write_text(file.getvalue(), encoding="utf-8-sig", newline="")
    return path


@pytest.fixture
def tiny(stored: Any) -> list[str]:
    """Arguments that run the tiny model in the process."""
    return ["--model", stored("tiny")]


@pytest.fixture(params=["served", "here"])
def way(request: pytest.FixtureRequest, service: Service, tiny: list[str]) -> list[str]:
    """Both ways to rank: by a service, and with the model in this process."""
    return ["--url", service.url] if request.param == "served" else tiny


def rows_of(text: str) -> list[dict[str, str]]:
    """Of a table, by the names in its first line."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_ranks_for_each_photo(
    way: list[str], table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rank", *PHOTOS, str(table), *way, "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [answer["photo"] for answer in answers] == PHOTOS
    assert [answer["results"][0]["auction_id"] for answer in answers] == ["-2", "A1"]
    assert {answer["failed"][0]["detail_code"] for answer in answers} == {"image_url_missing"}


def test_a_folder_of_photos_is_sent_and_a_bad_one_fails_alone(
    service: Service, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"no picture")
    (photos / "b.jpg").write_bytes(Path(PHOTOS[0]).read_bytes())
    assert main(["rank", str(photos), str(table), "--url", service.url]) == 1
    said = capsys.readouterr()
    assert "a.jpg: the service says: query_image_base64: not a JPEG" in said.err.replace("\n", " ")
    assert said.out.splitlines()[0] == str(photos / "b.jpg")
    assert "2 ranked" not in said.err
    assert "2 ranked, 1 failed" in said.out


def test_a_folder_of_listings_beside_a_service_is_ranked_here_which_is_said(
    tiny: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = "http://localhost:1"
    assert main(["rank", PHOTOS[0], str(examples.FOLDER), "--url", nobody, *tiny]) == 0
    said = capsys.readouterr()
    assert "ranking here, with the model tiny" in said.err.replace("\n", " ")
    assert "cat.jpg" in said.out


def test_a_table_for_a_spreadsheet_holds_no_formula(
    tiny: list[str], table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "ranked.csv"
    assert main(["rank", *PHOTOS, str(table), *tiny, "--csv", str(written)]) == 0
    assert capsys.readouterr().out == ""
    raw = written.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\r\n") == raw.count(b"\n") == 1 + 2 * len(ROWS)
    rows = rows_of(raw.decode("utf-8-sig"))
    assert [row["rank"] for row in rows] == ["1", "2", "", "1", "2", ""]
    assert [row["auction_id"] for row in rows[:3]] == ["'-2", "A1", "A3"]
    assert [row["title"] for row in rows[:3]] == ["猫、白", "'=1+1", "'\uff1dSUM(1)"]
    assert float(rows[0]["score"]) == pytest.approx(1, abs=1e-4)
    assert rows[2]["reason"] == "no_image"
    assert main(["rank", *PHOTOS, str(table), *tiny, "--csv", "-"]) == 0
    assert [row | {"score": ""} for row in rows_of(capsys.readouterr().out)] == [
        row | {"score": ""} for row in rows
    ]


def test_a_table_that_excel_wrote_in_japan_is_read(
    tiny: list[str], table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = table.read_text(encoding="utf-8-sig")
    table.write_bytes(text.encode("cp932"))
    main(["rank", PHOTOS[0], str(table), *tiny])
    assert "猫、白" in capsys.readouterr().out


def test_photos_of_one_item_are_ranked_together(
    way: list[str], table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rank", *PHOTOS, str(table), *way, "--same-item", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [result["score"] for result in answer["results"]] == pytest.approx([1, 1], abs=1e-4)
    assert main(["rank", *PHOTOS * 3, str(table), *way, "--same-item"]) == 2
    assert "4 photos at most, not 6" in capsys.readouterr().err.replace("\n", " ")
    assert main(["rank", "example:cat", *PHOTOS, str(table), *way, "--same-item"]) == 2
