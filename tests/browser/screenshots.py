"""Writes docs/screenshots: ``make screenshots``. Small, so that a repository can hold them."""

import io
import json
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import launch
from tests.browser.conftest import DESK, PHONE, Scheme
from tests.browser.moving_picture import film
from tests.conftest import run_import
from tests.image_server import ImageServer
from tests.running import Service

FOLDER = Path(__file__).parent.parent.parent / "docs" / "screenshots"
SETTINGS = {"CLIP_MODEL": "efficientnet_lite0", "CLIP_CACHE_BYTES": "0"}
QUALITY = 88
UP_TO_THE_BUTTON = """() => {
    scrollTo(0, 0);
    const { bottom } = document.getElementById("rank").getBoundingClientRect();
    scrollTo(0, Math.max(0, bottom + 24 - innerHeight));
}"""
HEIGHTS = {PHONE: 844, DESK: 1080}


def main() -> None:
    """Serves, and takes every picture anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    run_import("--starter").check_returncode()
    with (
        ImageServer() as images,
        Service(SETTINGS | {"CLIP_ALLOW_PRIVATE_HOSTS": images.host}) as service,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright)
        for name, width, locale, scheme in (
            ("desk-en-light", DESK, "en-GB", "light"),
            ("desk-ja-dark", DESK, "ja-JP", "dark"),
            ("phone-ja-light", PHONE, "ja-JP", "light"),
            ("phone-en-dark", PHONE, "en-GB", "dark"),
        ):
            page = _page(browser, width, locale, scheme)
            page.goto(service.url)
            page.click("#example")
            page.wait_for_selector("#preview:not([hidden])")
            some = json.loads(page.input_value("#listings"))
            page.fill("#listings", _with_failures(some, images, width, locale))
            page.click("#rank")
            page.wait_for_selector("#after:not([hidden])")
            page.wait_for_load_state("networkidle")
            if width == PHONE:  # the page scrolled to the results by itself
                _save(page, f"{name}-results")
            page.evaluate(UP_TO_THE_BUTTON)
            _save(page, name)
        page = _page(browser, DESK, "en-GB", "light")
        page.goto(f"{service.url}/docs")
        page.wait_for_selector(".operation")
        _save(page, "api-en-light")
        film(browser, service.url, FOLDER / "demo.gif")
        browser.close()


def _with_failures(
    listings: list[dict[str, str]], images: ImageServer, width: int, locale: str
) -> str:
    """As many as are seen at once, some of which cannot be ranked: that too is to be shown."""
    urls = {
        images.url("/sold.jpg"): ("Mug with a cat, sold", "猫のマグカップ、売り切れ"),
        images.put("/page.jpg", b"<html>", "text/html"): (
            "Set of two mugs",
            "マグカップ 2 個セット",
        ),
        "http://localhost/mug.jpg": ("Enamel mug", "ホーローのマグ"),
    }
    failing = [
        {"auction_id": f"B{n}", "image_url": url, "title": titles[locale == "ja-JP"]}
        for n, (url, titles) in enumerate(urls.items(), start=1)
    ]
    best = next(listing for listing in listings if listing["image_url"] == "example:mug-6")
    rest = [listing for listing in listings if listing != best]
    shown = [best, *rest[: 4 if width == DESK else 1], *failing]
    return json.dumps(shown, ensure_ascii=False, indent=2)


def _page(browser: Browser, width: int, locale: str, scheme: Scheme) -> Page:
    return browser.new_page(
        viewport={"width": width, "height": HEIGHTS[width]},
        locale=locale,
        color_scheme=scheme,
        reduced_motion="reduce",
    )


def _save(page: Page, name: str) -> None:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.save(FOLDER / f"{name}.webp", quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
