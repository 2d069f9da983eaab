"""The page at /demo, as a person uses it."""

import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Request, expect

from tests.browser.conftest import DESK, KEY, PHONE, Open, Scheme, no_complaint_of
from tests.browser.steps import give, overflow_px, rank, tab_to, violations
from tests.image_server import ImageServer
from tests.photos import encode, picture
from tests.running import Service

WORDS = {
    "en-GB": ("Find the listing that looks like your photo", "8 listings ranked", "Download"),
    "ja-JP": ("写真に似た出品を探す", "8 件を並べ替えました", "ダウンロード"),
}
HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "</li><script>document.title='owned'</script>",
    "\u202eexe.gpj\u202c العربية עברית",
    "👩‍👩‍👧‍👦🏳️‍🌈" * 20,
    "長" * 10_000,
    "'; $(touch owned) `touch owned` \\ \" %s",
]


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_example_from_start_to_end(
    open_page: Open, demo_service: Service, width: int, locale: str, scheme: Scheme
) -> None:
    heading, ranked, download = WORDS[locale]
    page = open_page(demo_service.url, width=width, locale=locale, scheme=scheme)
    assert urlsplit(page.url).path == "/demo"
    expect(page.locator("h1")).to_have_text(heading)
    assert violations(page) == []
    page.click("#example")
    expect(page.locator("#preview")).to_be_visible()
    page.click("#rank")
    expect(page.locator("#after")).to_be_visible()
    expect(page.locator("#summary")).to_contain_text(ranked)
    expect(page.locator("#timing")).to_contain_text(download)
    assert len(page.get_by_role("figure").locator("dd").all()) == 3
    expect(page.locator("#timing")).to_be_in_viewport()  # nothing to unfold, nothing to scroll
    cards = page.locator(".card")
    expect(cards).to_have_count(8)
    expect(cards.first).to_contain_text(
        "白 青ボーダー" if locale == "ja-JP" else "white with blue rings"
    )
    scores = [float(text) for text in page.locator(".score > :nth-child(2)").all_text_contents()]
    assert scores == sorted(scores, reverse=True)
    assert violations(page) == []
    assert overflow_px(page) == 0


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_whole_way_by_keyboard(open_page: Open, demo_service: Service, width: int) -> None:
    page = open_page(demo_service.url, width=width)

    tab_to(page, "#listings")
    page.keyboard.type("example:coffee\nexample:cat\n")
    expect(page.locator("#listings-note")).to_have_text("2 listings")
    tab_to(page, "#rank")
    page.keyboard.press("Enter")
    expect(page.locator("#error")).to_have_text("Choose a photo first.")
    tab_to(page, "#example")
    page.keyboard.press("Enter")
    expect(page.locator("#error")).to_be_hidden()
    expect(page.locator("#rank")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#after")).to_be_visible()
    expect(page.locator("#rank")).to_be_focused()
    tab_to(page, "#copy")
    page.keyboard.press("Enter")
    expect(page.locator("#copied")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#curl").text_content()
    tab_to(page, "#language")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(WORDS["ja-JP"][0])
    expect(page.locator("#summary")).to_contain_text("並べ替えました")


def test_photo_key_and_stop_by_keyboard(
    open_page: Open, closed_service: Service, images: ImageServer, tmp_path: Path
) -> None:
    page = open_page(closed_service.url)
    (tmp_path / "photo.jpg").write_bytes(encode(picture("cat")))
    # Listened for from the start: a listener that comes together with the key can be too late.
    page.on("filechooser", lambda chooser: chooser.set_files(tmp_path / "photo.jpg"))
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#results-heading")).to_be_focused()
    tab_to(page, "#file")
    page.keyboard.press("Enter")
    expect(page.locator("#preview")).to_be_visible()
    tab_to(page, "#listings")
    page.keyboard.type(f"{images.url('/held/cat?keys')}\nexample:cat")
    images.release.clear()
    try:
        with no_complaint_of(open_page, "401"):
            tab_to(page, "#rank")
            page.keyboard.press("Enter")
            expect(page.locator("#key")).to_be_focused()
        page.keyboard.type(KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".card.scored")).to_have_count(1)
        tab_to(page, "#stop")
        page.keyboard.press("Enter")
        expect(page.locator("#summary")).to_have_text("Stopped.")
        expect(page.locator("#rank")).to_be_focused()
    finally:
        images.release.set()


def test_the_language_is_remembered(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url, locale="fr-FR")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.click("#language")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "ja")


def test_hostile_titles_and_ids_are_only_text(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url)
    title = page.title()
    listings = [
        {"auction_id": text[:256], "image_url": "example:cat", "title": text} for text in HOSTILE
    ]
    rank(page, listings)
    cards = page.locator(".card")
    expect(cards).to_have_count(len(HOSTILE))
    assert sorted(page.locator(".title").all_text_contents()) == sorted(HOSTILE)
    ids = page.locator(".body .id").all_text_contents()
    assert sorted(ids) == sorted(text[:256] for text in HOSTILE)
    assert page.title() == title
    heights = [box["height"] for card in cards.all() if (box := card.bounding_box())]
    assert max(heights) < 2 * min(heights)
    assert violations(page) == []


def test_only_thumbnails_come_from_elsewhere_and_without_referrer(
    open_page: Open, demo_service: Service, images: ImageServer
) -> None:
    page = open_page("about:blank")
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.goto(demo_service.url)
    url = images.photo("cat")
    rank(page, url)
    page.locator(".card img").first.scroll_into_view_if_needed()
    own = urlsplit(demo_service.url).netloc
    elsewhere = [one for one in asked if urlsplit(one.url).netloc not in (own, "")]  # "": blob
    assert [one.url for one in elsewhere] == [url]
    assert all("referer" not in one.all_headers() for one in elsewhere)


REFUSED = """async (elsewhere) => {
    const refused = [];
    document.addEventListener("securitypolicyviolation", (event) => {
        refused.push(event.effectiveDirective);
    });
    const inline = document.createElement("script");
    inline.append("window.owned = true");
    document.body.append(inline);
    const answer = await fetch(elsewhere, { mode: "no-cors" }).then(() => "an answer", String);
    await new Promise((resolve) => setTimeout(resolve)); // the events come as tasks
    return { refused, answer, owned: window.owned ?? false };
}"""


@pytest.mark.parametrize("path", ["/demo", "/docs"])
def test_a_script_put_into_the_page_neither_runs_nor_asks_elsewhere(
    open_page: Open, demo_service: Service, images: ImageServer, path: str
) -> None:
    page = open_page(demo_service.url + path)
    with (
        no_complaint_of(open_page, "Content Security Policy"),
        no_complaint_of(open_page, "assign"),
    ):
        tried = page.evaluate(REFUSED, images.url("/photo/cat?policy"))
        assert "connect-src" in tried["refused"]
        assert tried["owned"] is False
        assert {"script-src-elem", "require-trusted-types-for"} & set(tried["refused"])
        assert "TypeError" in tried["answer"]


def test_the_photo_is_sent_small_and_upright(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url)
    large = picture("cat").resize((3000, 2000))
    exif = large.getexif()
    exif[0x0112] = 6  # turned a quarter
    with page.expect_request("**/rank/stream") as sent:
        rank(page, "example:cat", encode(large, exif=exif))
    expect(page.locator("#photo-note")).to_contain_text(re.compile("512 . 768"))
    assert len(sent.value.post_data or "") < 300_000


def test_a_photo_the_browser_cannot_show_is_sent_as_it_is(
    open_page: Open, demo_service: Service
) -> None:
    page = open_page(demo_service.url)
    rank(page, "example:cat\nexample:coffee", encode(picture("cat"), "HEIF"))
    expect(page.locator("#photo-note")).to_contain_text("sent as it is")
    expect(page.locator(".card.scored")).to_have_count(2)
    expect(page.locator(".card").first).to_contain_text("1")


def test_the_key_is_asked_for_when_the_service_wants_one(
    open_page: Open, closed_service: Service, tmp_path: Path
) -> None:
    page = open_page(closed_service.url)
    expect(page.locator("#key")).to_be_hidden()
    with no_complaint_of(open_page, "401"):
        rank(page, "example:cat")
        expect(page.locator("#key")).to_be_focused()
        expect(page.locator("#error")).to_contain_text("key")
        assert violations(page) == []
    page.fill("#key", "ｋｅｙ")  # from a Japanese keyboard; no header takes it
    page.click("#rank")
    expect(page.locator("#error")).to_have_text("The key is missing or wrong.")
    page.fill("#key", f" {KEY} ")
    page.click("#rank")
    expect(page.locator(".card.scored")).to_have_count(1)
    expect(page.locator("#error")).to_be_hidden()
    command = page.locator("#curl").text_content() or ""
    assert "$CLIP_API_KEY" in command
    assert KEY not in command
    (tmp_path / "photo.jpg").write_bytes(encode(picture("cat")))
    ran = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        env=os.environ | {"CLIP_API_KEY": KEY},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout)["meta"]["succeeded"] == 1


@pytest.mark.parametrize(
    ("listings", "said"),
    [
        ('[{"image_url": "a"}, 2]', "Listing 2"),
        ('{"items": []}', "has to be a list"),
        ("[1", "cannot be read"),
    ],
)
def test_listings_that_make_no_sense_are_explained(
    open_page: Open, demo_service: Service, listings: str, said: str
) -> None:
    page = open_page(demo_service.url)
    page.fill("#listings", listings)
    expect(page.locator("#listings-note")).to_contain_text(said)
    assert violations(page) == []


def test_the_grid_shows_what_is_known_while_one_picture_is_late(
    open_page: Open, demo_service: Service, images: ImageServer
) -> None:
    page = open_page(demo_service.url)
    examples = [f"example:{name}" for name in ("cat", "coffee", "coins", "rocket", "grass")]
    give(page, "\n".join([images.url("/held/cat?grid"), *examples]))
    images.release.clear()
    try:
        page.click("#rank")
        expect(page.locator(".card.scored")).to_have_count(5)
        expect(page.locator(".card.waiting")).to_have_count(1)
        expect(page.locator("#summary")).to_contain_text("5 of 6")
        expect(page.locator("#stop")).to_be_visible()
        assert violations(page) == []
    finally:
        images.release.set()
    expect(page.locator(".card.scored")).to_have_count(6)
    expect(page.locator("#stop")).to_be_hidden()


@pytest.mark.parametrize("example", [True, False])
def test_the_command_runs_as_copied_and_runs_nothing_else(
    open_page: Open, demo_service: Service, tmp_path: Path, example: bool
) -> None:
    page = open_page(demo_service.url)
    (tmp_path / "photo.jpg").write_bytes(encode(picture("cat")))
    listings = [
        {"auction_id": text[:256], "image_url": "example:cat", "title": text} for text in HOSTILE
    ]
    if example:
        page.click("#example")
        expect(page.locator("#preview")).to_be_visible()
        page.fill("#listings", json.dumps(listings))
        page.click("#rank")
        expect(page.locator("#command")).to_be_visible()
    else:
        rank(page, listings)
    command = page.locator("#curl").text_content() or ""
    ran = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout)["meta"]["succeeded"] == len(HOSTILE)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_an_older_service_without_streams_is_fine(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url)
    page.route("**/rank/stream", lambda route: route.fulfill(status=404, body="{}"))
    with no_complaint_of(open_page, "404"):
        rank(page, "example:cat\nexample:coffee")
        expect(page.locator(".card.scored")).to_have_count(2)


def test_stop_stops(open_page: Open, demo_service: Service, images: ImageServer) -> None:
    page = open_page(demo_service.url)
    give(page, f"{images.url('/held/cat?stop')}\nexample:cat")
    images.release.clear()
    try:
        page.click("#rank")
        expect(page.locator(".card.scored")).to_have_count(1)
        page.click("#stop")
        expect(page.locator("#summary")).to_have_text("Stopped.")
        expect(page.locator("#rank")).to_be_focused()
        expect(page.locator(".card.left")).to_contain_text("not ranked")
        page.click("#language")
        expect(page.locator("#summary")).to_have_text("中止しました。")
        expect(page.locator(".card.left")).to_contain_text("未処理")
    finally:
        images.release.set()


def test_cards_glide_unless_motion_is_unwanted(open_page: Open, demo_service: Service) -> None:
    count = """() => {
        window.glides = 0;
        const animate = Element.prototype.animate;
        Element.prototype.animate = function (...how) {
            glides++;
            return animate.apply(this, how);
        };
    }"""
    glides = {}
    for motion in ("reduce", "no-preference"):
        page = open_page(demo_service.url, motion=motion)
        page.evaluate(count)
        rank(page, "example:coffee\nexample:cat")
        glides[motion] = page.evaluate("glides")
    assert glides["reduce"] == 0
    assert glides["no-preference"] > 0
