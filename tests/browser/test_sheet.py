"""The contact sheet that the command line writes, in a browser."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from clip_ranker.examples import FOLDER
from tests.browser.conftest import DESK, PHONE, Open, Scheme
from tests.browser.steps import open_file, overflow_px, violations

LISTINGS = [
    {"auction_id": "A1", "image_url": "example:coffee", "title": "コーヒーカップ"},
    {"auction_id": "A2", "image_url": "example:cat", "title": "<script>alert(1)</script>"},
    {"auction_id": "A3", "image_url": "example:rocket", "title": "x" * 200},
    {"auction_id": "A4", "image_url": "example:gone"},
]


@pytest.fixture(scope="session")
def sheet(stored: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sheet of three listings and one that failed."""
    folder = tmp_path_factory.mktemp("sheet")
    (folder / "listings.json").write_text(json.dumps(LISTINGS))
    written = folder / "sheet.html"
    command = [sys.executable, "-m", "clip_ranker", "rank", FOLDER / "cat.jpg"]
    model = ["--model", stored("efficientnet_lite0")]
    where = [folder / "listings.json", "--html", written]
    subprocess.run([*command, *where, *model], check=True, capture_output=True)
    return written


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_the_sheet_shows_everything_and_asks_for_nothing(
    open_page: Open, sheet: Path, width: int, scheme: Scheme
) -> None:
    page, asked = open_file(open_page, sheet, width, scheme)
    cards = page.get_by_role("listitem")
    expect(cards).to_have_count(len(LISTINGS))
    expect(cards.first).to_contain_text("<script>alert(1)</script>")
    expect(cards.last).to_contain_text("download_failed")
    expect(page.get_by_alt_text("The photo")).to_be_visible()
    assert {one.url.partition(":")[0] for one in asked} <= {"file", "data"}
    assert violations(page) == []
    assert overflow_px(page) == 0
