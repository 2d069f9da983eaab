"""What the page at /demo says when something fails, and where."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import DESK, PHONE, Open, Scheme, no_complaint_of
from tests.browser.steps import give, overflow_px, rank, violations
from tests.image_server import ImageServer
from tests.running import Service

LOADING = "Failed to load resource"
WHYS = {
    "en-GB": [
        "The picture could not be downloaded (HTTP 404).",
        "This is not a picture that can be read",
        "The service may not open this address",
        "The service may not open this address",
    ],
    "ja-JP": [
        "画像をダウンロードできませんでした（HTTP 404）。",
        "画像として読み取れません（画像ではなくテキスト）。",
        "このアドレスにはアクセスできません（使えるポートは 80 と 443 だけ）。",
        "このアドレスにはアクセスできません（使えるのは http と https の URL だけ）。",
    ],
}


@pytest.mark.parametrize(
    ("width", "locale", "scheme"),
    [(PHONE, "ja-JP", "dark"), (DESK, "en-GB", "light"), (PHONE, "en-GB", "light")],
)
def test_dead_urls_say_why(
    open_page: Open,
    demo_service: Service,
    images: ImageServer,
    width: int,
    locale: str,
    scheme: Scheme,
) -> None:
    page = open_page(demo_service.url, width=width, locale=locale, scheme=scheme)
    urls = [
        images.url("/status/404"),
        images.put("/text", b"hello", "text/plain"),
        "http://127.0.0.1:1/a.jpg",
        "javascript:alert(1)",
        images.photo("cat"),
    ]
    with no_complaint_of(open_page, LOADING), no_complaint_of(open_page, "ERR_"):
        rank(page, "\n".join(urls))
        expect(page.locator(".card.scored")).to_have_count(1)
        whys = page.locator(".why")
        expect(whys).to_have_count(4)
        for place, why in enumerate(WHYS[locale]):
            expect(whys.nth(place)).to_contain_text(why)
        assert violations(page) == []
        assert overflow_px(page) == 0


def cut_off(route: Route) -> None:
    route.abort()


def busy(route: Route) -> None:
    body = '{"error": "too many", "detail": []}'
    route.fulfill(status=429, headers={"Retry-After": "7"}, body=body)


def broken(route: Route) -> None:
    route.fulfill(
        status=200, body='{"type":"scored","index":1,"score":0.5,"done":1,"candidates":2}\n'
    )


def refused(route: Route) -> None:
    route.fulfill(status=400, body='{"error": "the photo is no picture", "detail": []}')


@pytest.mark.parametrize(
    ("answer", "english", "japanese", "kept"),
    [
        (cut_off, "cannot be reached", "接続できません", 0),
        (busy, "busy. Try again in 7 seconds", "7 秒後", 0),
        (refused, "The service says: the photo is no picture", "サービスからのメッセージ", 0),
        (broken, "was cut off", "途中で途切れました", 12),
    ],
)
def test_a_fault_is_told_where_a_phone_shows_it(
    open_page: Open, demo_service: Service, answer: object, english: str, japanese: str, kept: int
) -> None:
    page = open_page(demo_service.url, width=PHONE, scheme="dark")
    page.route("**/rank/stream", answer)  # type: ignore[arg-type]
    with no_complaint_of(open_page, LOADING):
        rank(page, "example:cat\n" * 12)  # more than the phone shows at once
        expect(page.locator("#error")).to_contain_text(english)
        expect(page.locator("#error")).to_be_in_viewport(ratio=1)
        expect(page.locator(".card")).to_have_count(kept)
        expect(page.locator(".card.waiting")).to_have_count(0)
        assert violations(page) == []
        page.click("#language")
        expect(page.locator("#error")).to_contain_text(japanese)
        assert overflow_px(page) == 0


@pytest.mark.parametrize("path", ["**/rank/stream", "**/rank"])
def test_what_is_no_answer_of_the_service_is_told_in_our_words(
    open_page: Open, demo_service: Service, path: str
) -> None:
    page = open_page(demo_service.url)
    give(page, "example:cat\nexample:coffee")
    if path == "**/rank":
        page.route("**/rank/stream", lambda route: route.fulfill(status=404, body="{}"))
    answers = {
        '{"type":"answer","answer":{"resul': (200, "The answer was cut off. Try again."),
        "<!doctype html><p>Sign in": (200, "The answer was cut off. Try again."),
        '"hello"': (200, "The answer was cut off. Try again."),
        "<html>Bad Gateway": (502, "The service cannot be reached."),
        "null": (500, "The service cannot be reached."),
    }
    with no_complaint_of(open_page, LOADING):
        for body, (status, said) in answers.items():
            page.route(path, answering(status, body))
            page.click("#rank")
            expect(page.locator("#stop")).to_be_hidden()
            expect(page.locator("#error")).to_contain_text(said)


def answering(status: int, body: str) -> Callable[[Route], None]:
    """Always the same."""
    return lambda route: route.fulfill(status=status, body=body)


def test_a_fault_of_the_page_itself_is_not_laid_at_the_service(
    open_page: Open, demo_service: Service
) -> None:
    page = open_page(demo_service.url)
    fail = "() => { throw Error('of the tests'); }"
    page.evaluate(f"() => {{ FileReader.prototype.readAsDataURL = {fail}; }}")
    with no_complaint_of(open_page, "of the tests"):
        rank(page, "example:cat")
        expect(page.locator("#error")).to_contain_text("Something went wrong in this page.")
        expect(page.locator("#rank")).to_be_enabled()


def test_the_likeliest_refusals_are_told_in_japanese(
    open_page: Open, demo_service: Service
) -> None:
    page = open_page(demo_service.url, locale="ja-JP")
    error = page.locator("#error")
    with no_complaint_of(open_page, LOADING):
        rank(page, "example:cat", b"%PDF-1.7")
        expect(error).to_have_text(
            "写真：画像として読み取れません（PDF 形式。"
            "読めるのは JPEG、PNG、WebP、HEIC、AVIF、GIF、BMP）。"
        )
        rank(page, "example:cat\n" * 201)
        expect(error).to_have_text("出品が多すぎます。一度に並べ替えられるのは 200 件までです。")
        page.route("**/rank/stream", refused)
        page.click("#rank")
        expect(error.locator("[lang=en]")).to_have_text("the photo is no picture")
        assert violations(page) == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_what_is_missing_is_told_beside_the_button(
    open_page: Open, demo_service: Service, width: int
) -> None:
    page = open_page(demo_service.url, width=width, height=620)
    page.click("#rank")
    expect(page.locator("#error")).to_have_text("Choose a photo first.")
    expect(page.locator("#error")).to_be_in_viewport(ratio=1)
    give(page, "")
    page.click("#rank")
    expect(page.locator("#error")).to_have_text("Add at least one listing.")
    expect(page.locator("#error")).to_be_in_viewport(ratio=1)
    page.fill("#listings", "example:cat")
    expect(page.locator("#error")).to_be_hidden()


def test_time_that_ran_out_is_told(
    open_page: Open, demo_service: Service, images: ImageServer
) -> None:
    page = open_page(demo_service.url, width=PHONE, locale="ja-JP")
    page.route("**/rank/stream", in_a_hurry)
    images.release.clear()
    try:
        rank(page, images.url("/held/cat?hurry"))
    finally:
        images.release.set()
    expect(page.locator("#summary")).to_contain_text("時間切れ")
    expect(page.locator(".why")).to_contain_text("画像が時間内に届きませんでした")


def in_a_hurry(route: Route) -> None:
    """Asks the service with as little time as it allows for; the page itself has no such field."""
    body = route.request.post_data_json | {"deadline_ms": 100}
    route.fulfill(response=route.fetch(post_data=body))
