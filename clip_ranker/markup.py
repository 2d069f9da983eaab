"""What a text in HTML or XML is, by its first element."""

import re
from typing import Literal

_FIRST = re.compile(
    rb"(?>(?>\s*(?><!--.*?-->|<\?.*?\?>)){0,20})\s*"
    rb"<(?P<doctype>!doctype\s+)?(?P<prefix>\w{1,20}:)?(?P<name>[a-z][a-z0-9]*)(?P<more>[^>]{0,999})",
    re.IGNORECASE | re.DOTALL,
)


def kind(data: bytes | bytearray) -> Literal["page", "SVG", "XML", ""]:
    """A web page, where nothing says that it is XML; empty where there is no markup.

    Behind comments and processing instructions, in UTF-8, UTF-16 or UTF-32.
    """
    text = data.lstrip(b"\xef\xbb\xbf\xfe\xff\0 \t\r\n")
    if not text.startswith(b"<"):
        return ""
    text = text.replace(b"\0", b"")  # of ASCII, UTF-16 has that between
    found = _FIRST.match(text)
    if not found:
        return ""
    if found["name"].lower() == b"svg":
        return "SVG"
    if found["name"].lower() == b"html":
        return "page"
    is_xml = found["doctype"] or found["prefix"] or b"xmlns" in found["more"]
    return "XML" if is_xml or text.startswith(b"<?xml") else "page"
