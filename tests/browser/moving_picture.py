"""Films the example on a phone for the README, from the empty page to the order."""

import base64
import io
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, CDPSession, Page

WIDTH_PX, HEIGHT_PX = 390, 760
SHOWN_PX = 300
COLOURS = 200
LOOK_MS = 900
"""Before each step, so that one can see what there is."""
LAST_MS = 2600
SHORTEST_MS, LONGEST_MS = 80, 1200


class Frame(NamedTuple):
    """A picture of the page, and when it was taken, in seconds."""

    image: Image.Image
    at_s: float


class _Film:
    def __init__(self, session: CDPSession) -> None:
        self.frames: list[Frame] = []
        self._session = session
        session.on("Page.screencastFrame", self._take)
        session.send("Page.startScreencast", {"format": "png"})

    def _take(self, event: dict[str, Any]) -> None:
        image = Image.open(io.BytesIO(base64.b64decode(event["data"]))).convert("RGB")
        self.frames.append(Frame(image, event["metadata"]["timestamp"]))
        self._session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})


def film(browser: Browser, url: str, file: Path) -> None:
    """Writes a GIF of the example at ``url``."""
    size = {"width": WIDTH_PX, "height": HEIGHT_PX}
    page = browser.new_page(viewport=size, locale="en-GB", color_scheme="light")
    page.goto(url)
    shooting = _Film(page.context.new_cdp_session(page))
    page.wait_for_timeout(LOOK_MS)
    page.click("#example")
    page.wait_for_selector("#preview:not([hidden])")
    page.wait_for_timeout(LOOK_MS)
    _glide_to(page, "#rank")
    page.wait_for_timeout(LOOK_MS)
    page.click("#rank")
    page.wait_for_selector("#after:not([hidden])")
    page.wait_for_timeout(LOOK_MS)
    _write(shooting.frames, file)
    page.close()


def _glide_to(page: Page, selector: str) -> None:
    page.locator(selector).evaluate(
        "element => element.scrollIntoView({ behavior: 'smooth', block: 'end' })"
    )


def _beside(images: list[Image.Image]) -> Image.Image:
    """All in one, for one palette: with several, what stands still would flicker."""
    width, height = images[0].size
    row = Image.new("RGB", (width * len(images), height))
    for place, image in enumerate(images):
        row.paste(image, (place * width, 0))
    return row


def _write(frames: list[Frame], file: Path) -> None:
    kept = frames[:1]
    for before, after in pairwise(frames):
        if after.at_s - kept[-1].at_s >= SHORTEST_MS / 1000 and after.image != before.image:
            kept.append(after)
    if kept[-1].image != frames[-1].image:
        kept.append(frames[-1])
    lengths = [
        min(LONGEST_MS, max(SHORTEST_MS, round(1000 * (after.at_s - before.at_s))))
        for before, after in pairwise(kept)
    ]
    small = [
        one.image.resize((SHOWN_PX, SHOWN_PX * HEIGHT_PX // WIDTH_PX), Image.Resampling.LANCZOS)
        for one in kept
    ]
    palette = _beside(small[:: max(1, len(small) // 6)]).quantize(COLOURS)
    reduced = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in small]
    reduced[0].save(
        file,
        save_all=True,
        append_images=reduced[1:],
        duration=[*lengths, LAST_MS],
        loop=0,
        optimize=True,
    )
