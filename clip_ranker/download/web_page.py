"""Web pages that come instead of a picture: block pages, cookie walls, "not found"."""

import html
import re
from contextlib import suppress

import anyio
import httpx

from clip_ranker import markup
from clip_ranker.download.encodings import is_compressed, unfolded
from clip_ranker.errors import DownloadFailedError
from clip_ranker.unfolding import Unfolding

MARKUP_BYTES = 250_000
"""In which the first element is looked for: there may be a long comment before it."""
PAGE_BYTES = 16_384
"""Of a page; its title is at the beginning."""
PATIENCE_S = 0.5
"""For that much of the page of an error."""
TITLE_CHARS = 80

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w-]{1,20})", re.IGNORECASE)


def is_page(body: bytes | bytearray) -> bool:
    """Whether a body begins like a web page, whatever its type is said to be."""
    return markup.kind(body[:MARKUP_BYTES]) == "page"


def title(page: bytes | bytearray, content_type: str) -> str:
    """Title of a page, plain and cut; empty where it has none."""
    start = bytes(page[:PAGE_BYTES])
    lower = start.lower()
    begin = lower.find(b">", lower.find(b"<title"))
    end = lower.find(b"</title", begin)
    if b"<title" not in lower or begin < 0 or end < 0:
        return ""
    charset = _CHARSET.search(content_type.encode("ascii", "ignore")) or _CHARSET.search(start)
    raw = start[begin + 1 : end]
    try:
        text = raw.decode(charset[1].decode() if charset else "utf-8", "replace")
    except (LookupError, ValueError):  # no such character set, or none of text
        text = raw.decode("utf-8", "replace")
    words = " ".join(html.unescape(text).split())
    plain = "".join(char for char in words if char.isprintable())
    return plain if len(plain) <= TITLE_CHARS else f"{plain[: TITLE_CHARS - 1]}…"


async def explain(response: httpx.Response) -> DownloadFailedError:
    """The error of a status, with the title of its page if that comes soon."""
    plain = DownloadFailedError("http_status", status=response.status_code)
    content_type = response.headers.get("content-type", "")
    if "html" not in content_type.lower():
        return plain
    page = bytearray()
    # The error is known, whatever becomes of its page.
    with suppress(httpx.TransportError, DownloadFailedError), anyio.move_on_after(PATIENCE_S):
        await _read_start(response, page)
    if not (said := title(page, content_type)):
        return plain
    return DownloadFailedError("http_status_page", status=response.status_code, title=said)


async def _read_start(response: httpx.Response, page: bytearray) -> None:
    is_packed = is_compressed(response.headers.get("content-encoding", ""))
    unfolding = Unfolding() if is_packed else None
    async for chunk in response.aiter_raw():
        for piece in unfolded(unfolding, chunk) if unfolding else [chunk]:
            page += piece
            if len(page) >= PAGE_BYTES:
                return
