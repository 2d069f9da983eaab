"""The photo out of a request's base64 text."""

import base64
import binascii
import re
import string

from clip_ranker.errors import BadRequestError
from clip_ranker.rank.lenient import READ_IT

FIELD = "query_image_base64"
URL_SAFE = str.maketrans("-_", "+/", string.whitespace)
PERCENT = {"%2B": "+", "%2F": "/", "%3D": "=", "%20": " ", "%0A": "\n", "%0D": "\r"} | {
    "%3A": ":",  # the rest stands in front of base64 in a data: URL
    "%3B": ";",
    "%2C": ",",
}
ADDRESS = re.compile(r"([a-z][a-z0-9+.-]{1,30}):(?=.)", re.I)
PATH = re.compile(r"[^\n]{1,4000}\.[a-z0-9]{2,5}", re.I)
"""No base64 has a dot."""
REST_OF_PREFIX = re.compile(r"(?:[\w.+-]{1,50}/[\w.+-]{1,50};)?base64,", re.I)
"""Of a data: URL."""
JAVASCRIPT = re.compile(r"undefined|null|nan|true|false|\[object \w{1,50}\]", re.I)
TWICE = re.compile(rb"[A-Za-z0-9+/_\r\n-]{40}|data:", re.I)
"""How no picture begins."""
INSIDE_A_LINE = re.compile(r"\S +\S")
SURE_FROM = 1000
"""Characters of base64 among which there is a "+", all but surely: each of 64 comes as often."""
SHORTEST_LINE = 16
"""Into which spaces may divide it; no sixteenth of base64 is "+"."""


def decode_base64(text: str, field: str = FIELD) -> bytes:
    """Bytes of a photo, out of a field of the request.

    Takes what apps send: a ``data:`` prefix, white space, the URL-safe alphabet, no padding,
    percent-encoding, and "+" that form decoding made a space.

    Raises:
        BadRequestError: this is not base64, or nothing; it names the field, and says what it is
            instead.
    """
    try:
        return _decoded(text)
    except ValueError as error:
        why = [{"field": field, "message": str(error)}]
        raise BadRequestError(f"{field}: {error}", why) from error


def _decoded(text: str) -> bytes:
    if not text.isascii():  # translating it would hold up the whole process
        raise ValueError("this is not base64")
    if "%" in text:
        for escaped, character in PERCENT.items():
            text = text.replace(escaped, character).replace(escaped.lower(), character)
    text = text.strip()
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.rstrip().lower().endswith(";base64"):
            raise ValueError("a data: URL must hold base64, as in data:image/jpeg;base64,…")
    elif found := REST_OF_PREFIX.match(text):
        text = text[found.end() :]
    _check_is_a_file(text)
    if _lost_plus(text):
        text = text.replace(" ", "+")
    text = text.translate(URL_SAFE).rstrip("=")
    if not text:
        raise ValueError("it is empty; send the photo as base64")
    try:
        photo = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(_why_not(text)) from error
    if TWICE.match(photo):
        raise ValueError("this was encoded as base64 twice; send the base64 of the file itself")
    return photo


def _check_is_a_file(text: str) -> None:
    """Refuses what stands for a picture without being one."""
    start = text[:5000]
    if found := ADDRESS.match(start):
        scheme = found[1].lower()
        if scheme in ("http", "https", "example"):
            raise ValueError(
                f"this is the URL of a picture: send it as query_image_url, or {READ_IT}"
            )
        raise ValueError(
            f"this is an address that only the phone or page can open ({scheme}:): {READ_IT}"
        )
    if PATH.fullmatch(start):
        raise ValueError(f"this is the path of a file on the device: {READ_IT}")
    if JAVASCRIPT.fullmatch(start):
        raise ValueError(
            f"this is JavaScript's {start!r} as text: there was no base64 there (yet); wait for it "
            f"and send the text itself"
        )


def _lost_plus(text: str) -> bool:
    """Whether the spaces were "+": form decoding turns every one of them into a space.

    So there is none left; in a long text there were some; and where spaces only divide lines, they
    stand at the ends of lines or divide it evenly. Of a short text the length tells, if it does.
    """
    spaces = text.count(" ")
    if any(mark in text for mark in "+-_") or spaces > len(text) // SHORTEST_LINE + 1:
        return False
    if not INSIDE_A_LINE.search(text):
        return False
    with_plus = len(text) - sum(map(text.count, "\n\r\t"))
    without = with_plus - spaces
    impossible = without % 4 != 0 if text.endswith("=") else without % 4 == 1
    if impossible and with_plus % 4 == 0:
        return True
    line = text.index(" ")
    divided_evenly = line >= SHORTEST_LINE and text[line :: line + 1] == " " * spaces
    return without >= SURE_FROM and not divided_evenly


def _why_not(text: str) -> str:
    """What is wrong with a text that is no base64; it has no white space and no padding."""
    wrong = re.search(r"[^A-Za-z0-9+/]", text)
    if wrong is None:
        return "this is not base64: its length is impossible, so it was cut off or changed"
    if wrong[0] == "%":
        return "this is percent-encoded base64: send it as it is, in JSON nothing is escaped"
    return f"this is not base64: character {wrong.start() + 1} is {wrong[0]!r}"
