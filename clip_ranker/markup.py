"""What a text in HTML or XML is, by its first element."""

import re

PAGE_ELEMENTS = frozenset(
    b"html head body title script style meta link iframe div p h1 a b br font table center".split()
)
"""With which browsers take a text for a web page (MIME Sniffing, section 7.1), and a few more."""

_FIRST = re.compile(
    rb"(?>(?>\s*(?><!--.*?-->|<\?.*?\?>)){0,20})\s*<(?:!doctype\s+)?(?:\w{1,20}:)?([a-z][a-z0-9]*)",
    re.IGNORECASE | re.DOTALL,
)


def first_element(data: bytes | bytearray) -> bytes:
    """Its name in lower case, without a namespace; empty where there is no markup.

    Behind comments and processing instructions, in UTF-8, UTF-16 or UTF-32.
    """
    text = data.lstrip(b"\xef\xbb\xbf\xfe\xff\0 \t\r\n")
    if not text.startswith(b"<"):
        return b""
    found = _FIRST.match(text.replace(b"\0", b""))  # of ASCII, UTF-16 has that between
    return found[1].lower() if found else b""
