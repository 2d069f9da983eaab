"""Debian's Chromium against the running service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import launch
from tests.running import Service

Scheme = Literal["light", "dark"]
Open = Callable[..., Page]
PHONE, DESK = 390, 1280
KEY = "key-of-the-tests-only"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each page has a profile of its own."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def demo_service(serve: Callable[..., Service]) -> Service:
    """A model that knows a cat from a coffee cup."""
    return serve("efficientnet_lite0")


@pytest.fixture
def closed_service(serve: Callable[..., Service], stored: Callable[[str], str]) -> Service:
    """One that wants a key, and has a second model."""
    return serve("efficientnet_lite0", CLIP_API_KEY=KEY, CLIP_MODELS=stored("tiny"))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages, and fails the test on whatever their console calls an error."""
    complaints: list[str] = []
    contexts = []

    def opened(
        url: str,
        *,
        width: int = DESK,
        height: int = 900,
        locale: str = "en-GB",
        scheme: Scheme = "light",
        motion: Literal["reduce", "no-preference"] = "reduce",
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            color_scheme=scheme,
            reduced_motion=motion,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.goto(url)
        return page

    opened.complaints = complaints  # type: ignore[attr-defined]
    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@contextmanager
def no_complaint_of(open_page: Callable[..., Page], text: str) -> Iterator[None]:
    """Takes back what the console says about a failure that the test wants."""
    yield
    complaints: list[str] = open_page.complaints  # type: ignore[attr-defined]
    complaints[:] = [complaint for complaint in complaints if text not in complaint]
