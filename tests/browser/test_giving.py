"""How photo and listings get into the page at /demo."""

import base64
import json
import re

from playwright.sync_api import JSHandle, Page, expect

from tests.browser.conftest import DESK, PHONE, Open
from tests.browser.steps import give, rank
from tests.image_server import ImageServer
from tests.photos import encode, picture
from tests.running import Service

DATA_TRANSFER = """({ data, name, type }) => {
    const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    return transfer;
}"""


def drop(page: Page, selector: str, name: str, kind: str, data: bytes) -> None:
    """Drops a file there, as a file manager would."""
    file = {"data": base64.b64encode(data).decode(), "name": name, "type": kind}
    transfer: JSHandle = page.evaluate_handle(DATA_TRANSFER, file)
    page.dispatch_event(selector, "drop", {"dataTransfer": transfer})


def test_a_photo_is_taken_with_the_phone(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url, width=PHONE)
    assert page.locator("#camera").get_attribute("capture") == "environment"
    large = encode(picture("cat").resize((3000, 2000)))
    file = {"name": "", "mimeType": "image/jpeg", "buffer": large}
    page.on("filechooser", lambda chooser: chooser.set_files(file))
    page.get_by_text("Take a photo").click()
    expect(page.locator("#preview")).to_be_visible()
    expect(page.locator("#photo-note")).to_contain_text(re.compile("768 . 512 px"))
    page.fill("#listings", "example:coffee\nexample:cat")
    page.get_by_role("button", name="Rank").click()
    expect(page.locator(".card.best")).to_contain_text("2")
    desk = open_page(demo_service.url, width=DESK)
    expect(desk.get_by_text("Take a photo")).to_be_hidden()


def test_a_photo_may_be_dropped_anywhere(open_page: Open, demo_service: Service) -> None:
    for place in ("h1", "#listings"):
        page = open_page(demo_service.url)
        drop(page, place, "p.jpg", "image/jpeg", encode(picture("cat")))
        expect(page.locator("#preview")).to_be_visible()
        assert page.input_value("#listings") == ""


def test_a_file_of_listings_may_be_dropped_too(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url)
    listings = json.dumps({"candidates": [{"auction_id": "A1", "image_url": "example:cat"}]})
    drop(page, "h1", "listings.json", "application/json", listings.encode())
    expect(page.locator("#listings-note")).to_have_text("1 listing")
    expect(page.locator("#preview")).to_be_hidden()


def test_text_dragged_into_the_listings_lands_there(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url)
    # A text to drag, of another page in real life.
    page.evaluate("document.querySelector('h1').textContent = 'example:cat'")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    text = page.locator("h1").bounding_box()
    field = page.locator("#listings").bounding_box()
    assert text
    assert field
    page.mouse.move(text["x"] + 20, text["y"] + text["height"] / 2)
    page.mouse.down()
    page.mouse.move(field["x"] + 60, field["y"] + 30, steps=5)
    page.mouse.up()
    expect(page.locator("#listings")).to_have_value("example:cat")
    expect(page.locator("#listings-note")).to_have_text("1 listing")
    assert page.url.endswith("/demo")


def test_the_photo_that_was_chosen_last_counts(open_page: Open, demo_service: Service) -> None:
    page = open_page(demo_service.url)
    slow = """() => {
        const decode = window.createImageBitmap;
        let first = true;
        window.createImageBitmap = async (...how) => {
            const bitmap = await decode(...how);
            if (!first) return bitmap;
            first = false;
            await new Promise(resolve => { window.letGo = resolve; });
            return bitmap;
        };
    }"""
    page.evaluate(slow)
    for side in (100, 200):
        photo = encode(picture("cat").resize((side, side)))
        file = {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": photo}
        page.set_input_files("#file", file)
    second = re.compile("200 . 200 px")
    expect(page.locator("#photo-note")).to_contain_text(second)
    # The first is read only now, and would be there once another canvas is made into a file.
    page.evaluate("letGo()")
    page.evaluate("new Promise(done => document.createElement('canvas').toBlob(done))")
    expect(page.locator("#photo-note")).to_contain_text(second)


def test_what_is_said_of_the_command_is_about_the_photo_it_sends(
    open_page: Open, demo_service: Service, images: ImageServer
) -> None:
    page = open_page(demo_service.url)
    page.click("#example")
    expect(page.locator("#rank")).to_be_focused()
    page.fill("#listings", images.url("/held/cat?command"))
    images.release.clear()
    try:
        page.click("#rank")
        expect(page.locator("#stop")).to_be_visible()
        give(page, "example:coffee")  # while the cat is ranked
    finally:
        images.release.set()
    expect(page.locator("#curl")).to_contain_text("example:mug")
    expect(page.locator("#curl-note")).to_contain_text("names the photo")
    rank(page, "example:coffee")
    expect(page.locator("#curl")).to_contain_text("photo.jpg")
    expect(page.locator("#curl-note")).not_to_contain_text("names the photo")
    deny = "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('denied')); }"
    page.evaluate(deny)
    page.click("#copy")
    expect(page.locator("#copied")).to_contain_text("select the text instead")
    page.click("#language")
    expect(page.locator("#copied")).to_contain_text("文字を選択")
