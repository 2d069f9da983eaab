"""Headers that downloads send."""

import re

import httpx

from clip_ranker import __version__
from clip_ranker.download.url_policy import host_of, matches
from clip_ranker.settings import Settings

PROJECT = "https://clip.revathis-dev.com"
ALWAYS = {
    "Accept": "image/avif,image/webp,image/*;q=0.9,*/*;q=0.5",
    "Accept-Encoding": "identity",
}
NOT_TO_BE_SET = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "upgrade", "range"}
)
"""With these it would not be the request that was checked, or not one for a whole picture."""

_NEXT = re.compile(r"\s*[,\n]\s*(?=[^\s,=:]+=[\w-]+:)", re.ASCII)
_ENTRY = re.compile(r"([A-Za-z0-9.*_-]+)=([\w-]+):[ \t]*([\x21-\x7e][\x20-\x7e]*)", re.ASCII)


class RequestHeaders:
    """What each host is sent.

    Args:
        settings: user agent, contact, and more headers for some hosts.

    Raises:
        ValueError: an entry of ``CLIP_DOWNLOAD_HEADERS`` is not ``host=Name: value``.
    """

    def __init__(self, settings: Settings) -> None:
        contact = settings.contact.strip() or PROJECT
        agent = settings.user_agent.strip() or f"clip-ranker/{__version__} (+{contact})"
        self._always = {**ALWAYS, "User-Agent": agent}
        entries = _NEXT.split(settings.download_headers.strip(" \t\r\n,"))
        self._more = [_parse(entry) for entry in entries if entry]

    def of(self, url: httpx.URL) -> dict[str, str]:
        """All headers for this URL."""
        # Else httpx looks for the host in Unicode, and fails on names that browsers take.
        always = {"Host": url.netloc.decode("ascii")} | self._always
        if not self._more:
            return always
        host = host_of(url)
        more = {name: value for at, name, value in self._more if matches(host, at)}
        theirs = {name.lower() for name in more}
        ours = {name: value for name, value in always.items() if name.lower() not in theirs}
        return ours | more


def _parse(entry: str) -> tuple[str, str, str]:
    found = _ENTRY.fullmatch(entry)
    if not found or found[2].lower() in NOT_TO_BE_SET:
        # Without the entry itself, of which the value may be a secret.
        raise ValueError(
            f"CLIP_DOWNLOAD_HEADERS: the entry for '{entry.partition('=')[0]}' is not "
            "`host=Name: value`, or of a header that cannot be set"
        )
    return found[1].lower(), found[2], found[3].rstrip()
