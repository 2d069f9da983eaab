"""The page at /docs."""

import json
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, Scheme
from tests.browser.steps import overflow_px, tab_to, violations
from tests.running import Service


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_shows_every_endpoint_and_sends_its_example(
    open_page: Callable[..., Page], demo_service: Service, width: int, scheme: Scheme
) -> None:
    page = open_page("about:blank", width=width, scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
    page.goto(f"{demo_service.url}/docs")
    document = demo_service.client.get("/docs.json").json()
    sections = page.locator(".operation")
    expect(sections).to_have_count(sum(len(item) for item in document["paths"].values()))
    shown = []
    for section in sections.all():
        if section.locator("summary").count() == 0:  # for the browser to show
            target = section.get_by_role("link", name="Open /").get_attribute("href")
            assert demo_service.client.get(f"/{target}", follow_redirects=True).is_success
            shown.append(target)
            continue
        if section.get_attribute("id") == "post-feedback":
            continue  # its example is of no ranking that this service knows
        section.locator("summary").click()
        section.get_by_role("button", name="Send").click()
        expect(section.locator(".try .row p")).to_have_text(re.compile(r"^20[02], \d+ ms$"))
        if section.get_attribute("id") not in ("get-livez", "get-readyz"):  # a line feed
            expect(section.locator(".try pre")).not_to_be_empty()
    assert shown == ["docs", ".", "demo", "examples/astronaut.jpg"]
    ranked = sections.first.locator(".try pre").text_content()
    assert json.loads(ranked or "")["results"][0]["rank"] == 1
    for shape in ("ScoredEvent", "FailedEvent", "AnswerEvent", "ErrorBody"):
        expect(page.get_by_role("region", name=shape).first).to_contain_text("What")
    assert set(asked) == {urlsplit(demo_service.url).netloc}
    for table in page.locator(".scroll").all():  # all of a table is seen without scrolling it
        assert table.evaluate("frame => frame.scrollWidth <= frame.clientWidth")
    assert overflow_px(page) == 0
    assert violations(page) == []


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (DESK, "dark")])
def test_speaks_japanese(
    open_page: Callable[..., Page], demo_service: Service, width: int, scheme: Scheme
) -> None:
    page = open_page(f"{demo_service.url}/docs", width=width, scheme=scheme, locale="ja-JP")
    rank = page.locator("#post-rank")
    expect(rank).to_contain_text("出品を写真に似ている順に並べ替える")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.locator("main [lang=en]")).to_have_count(0)  # nothing is left untranslated
    expect(rank.get_by_role("region", name="リクエスト")).to_contain_text("必須")
    assert overflow_px(page) == 0
    assert violations(page) == []
    page.click("#language")
    expect(rank).to_contain_text("Rank listings by likeness to a photo")
    expect(page.locator("#operations .operation")).to_have_count(
        page.locator("#index .verb").count()
    )


def test_an_endpoint_is_tried_by_keyboard(
    open_page: Callable[..., Page], demo_service: Service
) -> None:
    page = open_page(f"{demo_service.url}/docs")
    expect(page.locator(".operation").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    tab_to(page, "#post-rank summary")
    page.keyboard.press("Enter")
    tab_to(page, "#post-rank button")
    page.keyboard.press("Enter")
    expect(page.locator("#post-rank .try .row p")).to_have_text(re.compile("^200, "))
    tab_to(page, "#post-rank .try pre")


def test_is_where_the_root_leads_without_the_demo(
    open_page: Callable[..., Page], serve: Callable[..., Service]
) -> None:
    service = serve(CLIP_DEMO="false")
    page = open_page(service.url)
    assert page.url.endswith("/docs")
    expect(page.locator("h1")).to_have_text("clip-ranker")
    for off in ("/demo", "/static/demo.html", "/static/../pages/demo.html"):
        assert service.client.get(off).status_code == 404
    assert service.client.get("/examples/cat.jpg").status_code == 404
