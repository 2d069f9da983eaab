"""One answer of an image server: its status, when to ask again, its body."""

import re
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime

import anyio.lowlevel
import httpx

from clip_ranker.download import web_page
from clip_ranker.download.encodings import is_compressed, unfolded
from clip_ranker.errors import (
    CandidateError,
    DownloadFailedError,
    NotAnImageError,
    TooLargeError,
)
from clip_ranker.unfolding import Unfolding

RETRIED_AT_ONCE = frozenset({500, 502, 504})
RETRIED_LATER = frozenset({429, 503})
A_MOMENT_S = 0.25
"""Before the retry where the server is busy and does not say for how long."""
BIG_BODY_BYTES = 1_000_000
"""Thumbnails are never over it."""
FEWEST_BYTES_A_CHUNK = 64
"""On average, once there are ``FREE_CHUNKS``: parsing costs by the chunk, the limit by the byte."""
FREE_CHUNKS = 256

_WHOLE = re.compile(r"bytes 0-(\d{1,15})/(\d{1,15})", re.ASCII | re.IGNORECASE)
_NOT_ASCII = re.compile(rb"[\x80-\xff]")


class WorthRetryingError(Exception):
    """Wraps a failure that a second attempt, ``after_s`` seconds later, may not see."""

    def __init__(self, failure: CandidateError, after_s: float = 0) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.after_s = after_s


async def read(
    response: httpx.Response, limit_bytes: int, grow: Callable[[], Awaitable[None]]
) -> bytes:
    """The body of an answer that is no redirect.

    Args:
        response: of which the body is not read yet.
        limit_bytes: of the body.
        grow: awaited once when the body passes ``BIG_BODY_BYTES``.

    Raises:
        WorthRetryingError: the server has trouble, or too much to do.
        DownloadFailedError: it is no 200, nor a 206 that holds all, or cannot be unfolded.
        NotAnImageError: it is a web page.
        TooLargeError: the body is over the limit, as it comes or unfolded.
    """
    status, whole_bytes = response.status_code, _whole_bytes(response)
    if status != httpx.codes.OK and whole_bytes is None:
        failure = await web_page.explain(response)
        if status in RETRIED_AT_ONCE:
            raise WorthRetryingError(failure)
        if status in RETRIED_LATER:
            raise WorthRetryingError(failure, _retry_after_s(response))
        raise failure
    unfolding = Unfolding() if is_compressed(response.headers.get("content-encoding", "")) else None
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise TooLargeError("bytes", most=limit_bytes)
    body, received, chunks, is_big = bytearray(), 0, 0, False

    async def take(piece: bytes) -> None:
        nonlocal is_big
        body.extend(piece)
        if len(body) > limit_bytes:
            raise TooLargeError("bytes_unfolded", most=limit_bytes)
        if len(body) > BIG_BODY_BYTES and not is_big:
            is_big = True
            await grow()

    async for chunk in response.aiter_raw():
        received += len(chunk)
        chunks += 1
        if chunks > FREE_CHUNKS and received < chunks * FEWEST_BYTES_A_CHUNK:
            raise DownloadFailedError("answer_in_crumbs")
        if received > limit_bytes:
            raise TooLargeError("bytes", most=limit_bytes)
        if unfolding is None:
            await take(chunk)
        else:
            for piece in unfolded(unfolding, chunk):
                await take(piece)
                await anyio.lowlevel.checkpoint()  # others have their turn
    if received and not body:
        raise DownloadFailedError("compressed_broken")
    if whole_bytes not in (None, received):
        raise DownloadFailedError("http_partial", status=status)
    if web_page.is_page(body):
        if title := web_page.title(body, response.headers.get("content-type", "")):
            raise NotAnImageError("web_page_titled", title=title)
        raise NotAnImageError("web_page")
    return bytes(body)


def location(response: httpx.Response) -> str:
    """Where a redirect leads, each byte beyond ASCII escaped as browsers do.

    Raises:
        DownloadFailedError: it does not say.
    """
    for name, value in response.headers.raw:
        if name.lower() == b"location" and value:
            return _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], value).decode("ascii")
    raise DownloadFailedError("redirect_without_location", status=response.status_code)


def _whole_bytes(response: httpx.Response) -> int | None:
    """Length of what a 206 holds, if that is all there is (RFC 9110, section 14.4)."""
    found = _WHOLE.fullmatch(response.headers.get("content-range", "").strip())
    if response.status_code != httpx.codes.PARTIAL_CONTENT or not found:
        return None
    return int(found[2]) if int(found[1]) + 1 == int(found[2]) else None


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds, given as such or as a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return A_MOMENT_S
