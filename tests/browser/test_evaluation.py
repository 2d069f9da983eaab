"""The page that ``evaluate`` writes, in a browser."""

from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from clip_ranker.cli.main import main
from clip_ranker.models.store import StoredModel
from tests.browser.conftest import DESK, Open, Scheme
from tests.browser.steps import open_file, overflow_px, violations
from tests.evaluate.conftest import photographs, tiny

__all__ = ["photographs", "tiny"]

SMALL_PHONE = 360
LOADED = "all => all.every(one => one.complete && one.naturalWidth > 0)"


@pytest.fixture(scope="session")
def written(tiny: StoredModel, photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two settings of a model with random weights, which mistakes much."""
    folder = tmp_path_factory.mktemp("evaluation")
    where = ["--cache", str(folder / "cache"), "--html", str(folder / "page.html")]
    settings = ["--setting", "centre", "--setting", "pad"]
    assert main(["evaluate", str(photographs), "--model", tiny.name, *settings, *where]) == 0
    return folder / "page.html"


@pytest.mark.parametrize(("width", "scheme"), [(SMALL_PHONE, "dark"), (DESK, "light")])
def test_the_page_shows_figures_curves_and_mistakes_and_asks_for_nothing(
    open_page: Open, written: Path, width: int, scheme: Scheme
) -> None:
    page, asked = open_file(open_page, written, width, scheme)
    figures = page.get_by_role("table").first
    expect(figures).to_be_visible()
    expect(figures.get_by_role("cell", name="tiny", exact=True)).to_have_count(2)
    curves = page.locator("svg polyline")
    expect(curves).to_have_count(2)
    for curve in curves.all():
        box = _box(curve)
        assert box["width"] > 100
        assert box["height"] > 20
    worst = page.get_by_role("group")
    expect(worst).to_have_count(2)
    for setting in worst.all():
        setting.locator("summary").click()
        for mistake in setting.get_by_role("listitem").all()[:2]:
            _shown_side_by_side(mistake)
    assert page.locator("img").evaluate_all(LOADED)
    assert violations(page) == []
    assert overflow_px(page) == 0
    assert {one.url.partition(":")[0] for one in asked} <= {"file", "data"}


def _shown_side_by_side(mistake: Locator) -> None:
    """The photo, a right listing, and the wrong one that was preferred to it."""
    pictures = mistake.locator("img")
    expect(pictures).to_have_count(3)
    shown = mistake.get_by_role("figure")
    expect(shown.nth(0)).to_contain_text("photo")
    expect(shown.nth(1)).to_contain_text("right, ")
    expect(shown.nth(2)).to_contain_text("preferred, ")
    photographed, its_own, another = (
        name.partition("/")[0] for name in shown.locator("small").all_inner_texts()
    )
    assert photographed == its_own != another
    right, preferred = _box(pictures.nth(1)), _box(pictures.nth(2))
    assert right["y"] == preferred["y"]
    assert right["x"] + right["width"] <= preferred["x"]
    assert min(right["width"], right["height"]) > 40


def _box(one: Locator) -> FloatRect:
    box = one.bounding_box()
    assert box
    return box
