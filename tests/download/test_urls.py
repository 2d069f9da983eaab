"""URLs are taken as browsers take them, and what is judged is what is asked."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

import ada_url
import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_ranker.download.fetch import Fetcher
from clip_ranker.download.url_policy import WEB_PORTS, Exceptions, UrlPolicy, host_of
from clip_ranker.errors import DownloadFailedError, UrlBlockedError
from clip_ranker.settings import Settings
from tests.download.test_guard import hosts, parts
from tests.hostile.addresses import TAKEN_URLS
from tests.hostile.raw_server import RawServer

POLICY = UrlPolicy(Exceptions())


class Wire:
    """A fetcher all of whose connections end at one server on loopback.

    Attributes:
        names: looked up, all of them public.
        connects: address and port of each connection.
    """

    def __init__(self, server: RawServer) -> None:
        self.server = server
        self.names: list[str] = []
        self.connects: list[tuple[str, int]] = []
        self.runner = asyncio.Runner()
        self.fetcher = Fetcher(Settings(), resolve=self._resolve)
        self.fetcher._transport._pool._network_backend._backend = self  # type: ignore[attr-defined]

    async def _resolve(self, host: str, _: int) -> Sequence[str]:
        self.names.append(host)
        return ["1.1.1.1"]

    async def connect_tcp(self, host: str, port: int, *rest: object) -> httpcore.AsyncNetworkStream:
        self.connects.append((host, port))
        backend = httpcore.AnyIOBackend()
        return await backend.connect_tcp("127.0.0.1", self.server.port, *rest)  # type: ignore[arg-type]

    def asks(self, text: str) -> tuple[str, str, int, str, str]:
        """Name that is looked up, address and port, target and Host of the request."""
        for seen in (self.names, self.connects, self.server.requests):
            seen.clear()  # type: ignore[attr-defined]
        url = self.fetcher.check(text)
        with suppress(DownloadFailedError):  # for the server has nothing there
            self.runner.run(self.fetcher.fetch(url))
        request = self.server.requests[0].decode("latin-1")
        target, host = request.split(" ")[1], request.partition("\r\nHost: ")[2].split("\r\n")[0]
        return "".join(self.names), *self.connects[0], target, host


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with RawServer() as server:
        wire = Wire(server)
        yield wire
        wire.runner.run(wire.fetcher.close())
        wire.runner.close()


@pytest.mark.parametrize("text", TAKEN_URLS)
def test_a_url_is_taken_as_a_browser_takes_it(text: str) -> None:
    url = POLICY.check(text)
    assert (url.scheme, host_of(url), url.raw_path.decode()) == TAKEN_URLS[text]


@pytest.mark.parametrize("text", [text for text in TAKEN_URLS if TAKEN_URLS[text][0] == "http"])
def test_what_is_judged_goes_over_the_wire(text: str, wire: Wire) -> None:
    _, host, target = TAKEN_URLS[text]
    name, address, port, asked, header = wire.asks(text)
    assert (address, port, asked) == ("1.1.1.1", 80, target)
    assert name == ("" if host == address else host)
    assert header.removesuffix(".") == host


written = st.tuples(
    st.sampled_from(["http:", "HTTP:", " http:", "ht\ntp:"]),
    st.sampled_from(["//", "/", "\\\\", "///", ""]),
    *(parts, hosts, st.sampled_from(["", ".test", ".b.test"])),
    st.sampled_from(["/", "\\", "?", "#", ":80/", ":0080/", "", ":443/"]),
    st.text(max_size=20),
    parts,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(written)
def test_no_url_asks_for_anything_but_what_was_judged(wire: Wire, text: str) -> None:
    try:
        url = POLICY.check(text)
    except UrlBlockedError:
        return
    reference = ada_url.URL(text.strip())
    host = str(reference.hostname).removesuffix(".").strip("[]")
    if ("." not in host and ":" not in host) or host.startswith(("127.", "::")):
        return  # an address that is refused where it is connected to
    port = int(str(reference.port) or WEB_PORTS["http"])
    assert (host_of(url), url.port or 80) == (host, port)
    try:
        name, address, connected, target, header = wire.asks(text)
    except UrlBlockedError:
        assert not wire.connects
        return
    assert (name or address, connected) == (host, port)
    assert header == reference.host
    assert target.encode() == url.raw_path
    plain = f"http://{reference.hostname}{target}"
    assert ada_url.normalize_url(plain) == plain  # a browser asks for the same


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        (b"/b c|d", "http://a.test/b%20c%7Cd"),
        (b"e?f=[1]", "http://a.test/x/e?f=%5B1%5D"),
        (b"?g", "http://a.test/x/y?g"),
        (b"\\\\b.test\\h", "http://b.test/h"),
        (b"//b.test/i", "http://b.test/i"),
        ("/写真".encode(), "http://a.test/%E5%86%99%E7%9C%9F"),
        ("http://日本語.test/".encode(), "http://xn--wgv71a119e.test/"),
        (b"/\xe9", "http://a.test/%E9"),
        (b"/@user/x", "http://a.test/@user/x"),
        (b"http:/z", "http://a.test/z"),
    ],
)
def test_a_location_is_taken_as_a_browser_takes_it(
    location: bytes, leads_to: str, wire: Wire
) -> None:
    moved = b"HTTP/1.1 302 Found\r\nX-Latin: \xe9\r\nLocation: %s\r\n\r\n" % location
    wire.server.says("/x/y", moved)
    wire.asks("http://a.test/x/y")
    asked = wire.server.requests[1].decode()
    host = asked.partition("\r\nHost: ")[2].split("\r\n")[0]
    assert f"http://{host}{asked.split(' ')[1]}" == leads_to


def test_an_address_of_the_page_itself_is_no_odd_spelling(wire: Wire) -> None:
    wire.server.says("/go", b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n")
    assert wire.asks("http://1.1.1.1/go")[1] == "1.1.1.1"
    assert b"GET /there " in wire.server.requests[1]
