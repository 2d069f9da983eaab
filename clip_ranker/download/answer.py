"""One answer of an image server: its status, when to ask again, its body."""

import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime

import httpx

from clip_ranker.errors import CandidateError, DownloadFailedError, TooLargeError

RETRIED_AT_ONCE = frozenset({500, 502, 504})
RETRIED_LATER = frozenset({429, 503})
A_MOMENT_S = 0.25
"""Before the retry where the server is busy and does not say for how long."""
BIG_BODY_BYTES = 1_000_000
"""Thumbnails are never over it."""
FEWEST_BYTES_A_CHUNK = 64
"""On average, once there are ``FREE_CHUNKS``: parsing costs by the chunk, the limit by the byte."""
FREE_CHUNKS = 256


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
        DownloadFailedError: it is no whole and plain 200.
        TooLargeError: the body is over the limit.
    """
    status = response.status_code
    failure = DownloadFailedError(f"HTTP {status}")
    if status in RETRIED_AT_ONCE:
        raise WorthRetryingError(failure)
    if status in RETRIED_LATER:
        raise WorthRetryingError(failure, _retry_after_s(response))
    if status != httpx.codes.OK:
        raise failure
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise DownloadFailedError("the answer is compressed although that was not asked for")
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise TooLargeError(f"more than {limit_bytes} bytes")
    body, chunks, is_big = bytearray(), 0, False
    async for chunk in response.aiter_raw():
        body += chunk
        chunks += 1
        if len(body) > limit_bytes:
            raise TooLargeError(f"more than {limit_bytes} bytes")
        if chunks > FREE_CHUNKS and len(body) < chunks * FEWEST_BYTES_A_CHUNK:
            raise DownloadFailedError("the answer comes in crumbs")
        if len(body) > BIG_BODY_BYTES and not is_big:
            is_big = True
            await grow()
    return bytes(body)


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds, given as such or as a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return A_MOMENT_S
