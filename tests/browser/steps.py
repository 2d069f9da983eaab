"""What the tests of the pages do again and again."""

import json
from pathlib import Path

from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Open, Scheme
from tests.photos import encode, picture

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


def open_file(
    open_page: Open, file: Path, width: int, scheme: Scheme
) -> tuple[Page, list[Request]]:
    """A page that was written to a file, and all that it asks for."""
    page = open_page("about:blank", width=width, scheme=scheme)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.goto(file.as_uri())
    return page, asked


def give(page: Page, listings: object, photo: bytes | None = None) -> None:
    """Gives photo and listings."""
    page.set_input_files(
        "#file",
        {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo or encode(picture("cat"))},
    )
    expect(page.locator("#photo-note")).not_to_be_empty()
    page.fill("#listings", listings if isinstance(listings, str) else json.dumps(listings))


def rank(page: Page, listings: object, photo: bytes | None = None) -> None:
    """Gives photo and listings and waits for the end."""
    give(page, listings, photo)
    page.click("#rank")
    expect(page.locator("#after, #error").locator("visible=true").first).to_be_visible()


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until the focus is there, where it must be seen."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            # Of a file's field only the label is seen.
            expect(page.locator("label:has(:focus), :focus:not(.unseen)")).to_be_in_viewport()
            return
    raise AssertionError(f"Tab does not reach {selector}")


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong; the page's own policy keeps the test's script out of it."""
    page.context.new_cdp_session(page).send("Page.setBypassCSP", {"enabled": True})
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]


def overflow_px(page: Page) -> int:
    """By how much the page is wider than the window."""
    root = "document.documentElement"
    wider: int = page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
    return wider
