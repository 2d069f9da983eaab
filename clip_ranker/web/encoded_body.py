"""From a body as it was sent to JSON in UTF-8: unpacks it, and takes away what no parser takes."""

import codecs
import re
import zlib

from clip_ranker.errors import BadRequestError, BodyTooLargeError, UnsupportedMediaTypeError
from clip_ranker.unfolding import Unfolding, has_header

ENCODINGS = ("gzip", "x-gzip", "deflate")
MOST_MEMBERS = 8
"""Files that may be joined into one of gzip: each costs a copy of what is behind it."""
MOST_ENCODINGS = 2
MOST_ESCAPES = 100_000
"""Of a body in which halves of characters are looked for; a list of titles has a few thousand."""
ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # both halves
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def to_json_text(body: bytes | bytearray, content_encoding: str, limit: int) -> bytes:
    """The JSON in a body, which may still be none.

    Half a character, as is left when a title is cut in an emoji, becomes U+FFFD: it would spoil the
    whole.

    Args:
        body: as received.
        content_encoding: the header; empty where there is none.
        limit: bytes that may come out.

    Raises:
        UnsupportedMediaTypeError: an encoding that nothing here unpacks.
        BadRequestError: it is not what the header says, or not UTF-8.
        BodyTooLargeError: more than ``limit`` would come out; it stops there.
    """
    encodings = [one.strip().lower() for one in content_encoding.split(",")]
    encodings = [one for one in encodings if one not in ("", "identity")]
    if len(encodings) > MOST_ENCODINGS:
        raise BadRequestError("the body is packed more than twice: pack it once")
    for encoding in reversed(encodings):
        body = _unpacked(body, encoding, limit)
    if body.startswith(b"\x1f\x8b"):
        raise BadRequestError("the body is gzip: send Content-Encoding: gzip too")
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in body[:2]:
        raise BadRequestError("the body is UTF-16 or UTF-32: send the JSON as UTF-8")
    text = bytes(body).removeprefix(codecs.BOM_UTF8)
    if ESCAPED_HALF.search(text) and text.count(b"\\") <= MOST_ESCAPES:
        return ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], text)
    return text


def _unpacked(body: bytes | bytearray, encoding: str, limit: int) -> bytearray:
    if encoding not in ENCODINGS:
        raise UnsupportedMediaTypeError(
            f"Content-Encoding: {encoding[:50]!r} is not taken: send gzip, deflate or none"
        )
    out = bytearray()
    other = f"Content-Encoding says {encoding}, but the body is not {encoding}, or damaged"
    for _ in range(MOST_MEMBERS):
        if body and encoding != "deflate" and not has_header(body):
            raise BadRequestError(other)
        unfolding = Unfolding()
        try:
            for piece in unfolding.unfold(body):
                out += piece
                if len(out) > limit:
                    raise BodyTooLargeError(f"the body unpacks to more than {limit} bytes")
        except zlib.error as error:
            raise BadRequestError(other) from error
        if not unfolding.ended:
            raise BadRequestError(f"the body ends in the middle of its {encoding}")
        # A file of gzip may be padded with zeros; the program and Python's module take it so.
        body = unfolding.rest if encoding == "deflate" else unfolding.rest.lstrip(b"\0")
        if not body:
            return out
    raise BadRequestError(f"the body is more than {MOST_MEMBERS} files of {encoding}: send one")
