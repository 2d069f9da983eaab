"""The choice of a model at /demo."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESK, KEY, PHONE, Open, no_complaint_of
from tests.browser.steps import give, overflow_px, rank, violations
from tests.running import Service

DEFAULT, OTHER = "efficientnet_lite0", "tiny"


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_model_is_chosen_and_remembered(
    open_page: Open, closed_service: Service, width: int
) -> None:
    page = open_page(closed_service.url, width=width, locale="ja-JP")
    choice = page.get_by_label("モデル")
    expect(choice).to_have_value(DEFAULT)
    assert choice.locator("option").all_text_contents() == [DEFAULT, OTHER]
    choice.select_option(OTHER)
    assert violations(page) == []
    assert overflow_px(page) == 0
    with no_complaint_of(open_page, "401"):
        rank(page, "example:cat\nexample:coffee")
        expect(page.locator("#key")).to_be_focused()
    page.fill("#key", KEY)
    with page.expect_request("**/rank/stream") as asked:
        page.click("#rank")
    assert asked.value.post_data_json["model"] == OTHER
    expect(page.locator(".card.scored")).to_have_count(2)
    assert f'"model":"{OTHER}"' in (page.locator("#curl").text_content() or "")

    page.reload()
    expect(choice).to_have_value(OTHER)
    page.click("#language")
    expect(page.get_by_label("Model")).to_have_value(OTHER)
    page.evaluate("localStorage.setItem('clip-ranker.model', 'gone')")
    page.reload()
    expect(page.get_by_label("Model")).to_have_value(DEFAULT)


def test_where_there_is_one_there_is_no_choice(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url)
    # Only that it has come: a browser may let go of a body before it is asked for it.
    with page.expect_response("**/models"):
        page.reload()
    told = page.request.get(f"{demo_service.url}/models").json()
    assert [one["name"] for one in told["models"]] == [DEFAULT]
    give(page, "example:cat")
    with page.expect_request("**/rank/stream") as asked:
        page.click("#rank")
    assert "model" not in asked.value.post_data_json
    expect(page.locator(".card.scored")).to_have_count(1)
    expect(page.locator("#model")).to_be_hidden()
