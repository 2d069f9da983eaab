"""URLs as pages write them, parsed as browsers do (WHATWG URL), by the parser that is in Node.js.

httpx gets what came out, in which it finds nothing left to change: what is judged is what is asked.
"""

import re

import ada_url
import httpx

from clip_ranker.errors import UrlBlockedError

MAX_URL_CHARS = 8192
BLOCKED_ADDRESS = "no_public_address"
"""The one code for every blocked or unknown host: answers must not map the private network."""

# Browsers drop tabs and newlines wherever they stand; no page has the others.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_USER_INFO = re.compile(r"([a-z]+:[/\\]*|[/\\]{2,})[^/?#]*@", re.ASCII | re.IGNORECASE)
"""Also one that is empty, or is none to who takes ``\\`` for a slash: other parsers do not."""
_UNESCAPED = re.compile(r'[|\[\]\\^`{}"<>]|%(?![0-9A-Fa-f]{2})')
"""What browsers send as it is in a path or query, or a few of them, and many servers refuse."""


def parse(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """Parses a URL, which may be relative to the ``base`` that redirected there.

    Raises:
        UrlBlockedError: no http or https URL, or one with user info.
    """
    text = text.strip()
    if len(text) > MAX_URL_CHARS:
        raise UrlBlockedError("url_too_long", most=MAX_URL_CHARS)
    if _CONTROL.search(text):
        raise UrlBlockedError("url_character")
    if base is None and text[:2].replace("\\", "/") == "//":
        text = f"https:{text}"
    try:
        href = ada_url.join_url(str(base), text) if base else ada_url.normalize_url(text)
    except ValueError as error:  # among them a lone surrogate, and an IPv6 zone
        raise UrlBlockedError(BLOCKED_ADDRESS if "[" in text else "url_invalid") from error
    if not href.startswith(("http://", "https://")):
        raise UrlBlockedError("url_scheme")
    path = href.index("/", len("https://"))
    if "@" in href[:path] or _USER_INFO.match(text):
        raise UrlBlockedError("url_credentials")
    target = href[path:].partition("#")[0]
    try:
        return httpx.URL(href[:path] + _UNESCAPED.sub(_escape, target))
    except httpx.InvalidURL as error:  # it has become too long
        raise UrlBlockedError("url_invalid") from error


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
