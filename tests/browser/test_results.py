"""What can be done with the results at /demo."""

import base64
import csv
import io
import json
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open, no_complaint_of
from tests.browser.steps import rank, violations
from tests.photos import encode, picture
from tests.running import Service

LISTINGS = [
    {
        "auction_id": "A1",
        "image_url": "example:coffee",
        "title": '=HYPERLINK("x")',
        "url": "https://a.test/1",
    },
    {
        "auction_id": "-A2",
        "image_url": "example:cat",
        "title": '猫, "白"',
        "url": "javascript:alert(1)",
    },
    {"auction_id": "A3", "image_url": "example:gone", "title": "＠SUM(1)"},
]
ANSWER = {
    "results": [
        {"auction_id": "B", "score": 0.9, "rank": 1, "match": "same", "probability": 0.97},
        {"auction_id": "B", "score": 0.5, "rank": 2, "match": "similar", "probability": 0.4},
        {"auction_id": "C", "score": 0.1, "rank": 3, "match": "of next year"},
    ],
    "failed": [],
    "meta": {"succeeded": 3, "failed": 0, "cached": 0, "timing_ms": {"total": 1}},
}
PASTE = """async ({ data, type }) => {
    const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
    await navigator.clipboard.write([new ClipboardItem({ [type]: new Blob([bytes], { type }) })]);
}"""


def saved(page: Page, button: str) -> bytes:
    """What a click on it downloads."""
    with page.expect_download() as download:
        page.click(button)
    assert download.value.suggested_filename.startswith("clip-ranker.")
    return Path(download.value.path()).read_bytes()


def test_a_listing_opens_and_the_results_are_saved(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url, locale="ja-JP")
    with (
        no_complaint_of(open_page, "404"),  # of the picture that is not there
        page.expect_request("**/rank/stream") as sent,
    ):
        rank(page, LISTINGS)
        page.wait_for_load_state("networkidle")
    assert all("url" not in listing for listing in sent.value.post_data_json["candidates"])
    links = page.locator(".card a")
    expect(links).to_have_count(1)  # the other address is a script
    assert [links.get_attribute(name) for name in ("href", "target", "rel")] == [
        "https://a.test/1",
        "_blank",
        "noopener noreferrer",
    ]
    expect(page.locator(".why")).to_contain_text("この名前のサンプル画像はない")
    expect(page.locator(".why [lang=en]")).to_have_count(0)
    assert violations(page) == []
    table = saved(page, "#save-csv")
    assert table.startswith(b"\xef\xbb\xbf")
    assert table.endswith(b"\r\n")
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))
    assert [row["rank"] for row in rows] == ["1", "2", ""]
    assert [row["auction_id"] for row in rows] == ["'-A2", "A1", "A3"]
    assert [row["title"] for row in rows] == ['猫, "白"', '\'=HYPERLINK("x")', "'＠SUM(1)"]
    assert float(rows[0]["score"]) > float(rows[1]["score"])
    assert [row["reason"] for row in rows] == ["", "", "download_failed"]
    assert "match" not in rows[0]
    answer = json.loads(saved(page, "#save-json"))
    assert [result["auction_id"] for result in answer["results"]] == ["-A2", "A1"]
    assert answer["failed"][0]["detail_code"] == "no_such_example"


ODD = r"""[
    {"auction_id": 12345678901234567890, "image_url": "example:cat", "title": "",
     "url": "https://a.test/1"},
    {"auction_id": "\"auction_id\": 12345678901234567890}", "image_url": null},
    {"auction_id": 7},
    {"auction_id": 8, "image_url": ""}
]"""


def test_a_listing_without_title_opens_and_one_without_picture_fails_alone(
    open_page: Open, demo_service: Service
) -> None:
    page = open_page(demo_service.url)
    rank(page, ODD)
    expect(page.locator(".card a")).to_have_text("12345678901234567890")
    expect(page.locator(".card.failed")).to_have_count(3)
    answer = json.loads(saved(page, "#save-json"))
    assert [result["auction_id"] for result in answer["results"]] == ["12345678901234567890"]
    assert [(failure["auction_id"], failure["reason"]) for failure in answer["failed"]] == [
        (name, "no_image") for name in ('"auction_id": 12345678901234567890}', "7", "8")
    ]


def test_a_saved_file_may_be_read_after_the_click(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url)
    rank(page, "example:cat")
    page.clock.install()
    page.evaluate(
        """() => {
            window.revoked = 0;
            URL.revokeObjectURL = () => { window.revoked += 1; };
        }"""
    )
    saved(page, "#save-csv")
    assert page.evaluate("revoked") == 0
    page.clock.fast_forward(60_000)
    assert page.evaluate("revoked") == 1


def test_bands_are_shown_where_the_service_tells_them(
    open_page: Open, demo_service: Service
) -> None:
    def answer(route: Route) -> None:
        scored = [("B", 0.5), ("C", 0.1), ("B", 0.9)]
        events = [
            {"type": "scored", "index": n, "auction_id": name, "score": score}
            | {"done": n + 1, "candidates": 3}
            for n, (name, score) in enumerate(scored)
        ]
        lines = [*events, {"type": "answer", "answer": ANSWER}]
        route.fulfill(status=200, body="".join(json.dumps(line) + "\n" for line in lines))

    page = open_page(demo_service.url)
    page.route("**/rank/stream", answer)
    rank(page, [{"auction_id": name, "image_url": "example:cat"} for name in "BCB"])
    expect(page.locator(".match")).to_have_text(["The same item 97 %", "Similar 40 %"])
    expect(page.locator(".card.best")).to_contain_text("0.900The same item")
    assert violations(page) == []
    page.click("#language")
    expect(page.locator(".match")).to_have_text(["同じ商品 97 %", "似ている商品 40 %"])
    assert "same,0.97" in saved(page, "#save-csv").decode()


def test_a_photo_is_pasted(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url)
    png = base64.b64encode(encode(picture("cat"), "PNG")).decode()
    page.evaluate(PASTE, {"data": png, "type": "image/png"})
    page.focus("#listings")
    page.keyboard.press("Control+V")
    expect(page.locator("#preview")).to_be_visible()
    assert page.input_value("#listings") == ""
    page.evaluate("navigator.clipboard.writeText('example:cat')")
    page.keyboard.press("Control+V")
    expect(page.locator("#listings")).to_have_value("example:cat")
