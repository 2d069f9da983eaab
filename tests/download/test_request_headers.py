"""What image hosts are told of who asks."""

import asyncio

import httpx
import pytest
from pydantic import ValidationError

from clip_ranker import __version__
from clip_ranker.download.fetch import Fetcher
from clip_ranker.download.request_headers import PROJECT, RequestHeaders
from clip_ranker.settings import Settings
from tests.hostile.answers import PICTURE
from tests.hostile.raw_server import RawServer


def of(url: str, **settings: str) -> dict[str, str]:
    return RequestHeaders(Settings(**settings)).of(httpx.URL(url))


def test_the_user_agent_says_who_asks() -> None:
    assert of("http://a.test/")["User-Agent"] == f"clip-ranker/{__version__} (+{PROJECT})"
    told = of("http://a.test/", contact="https://me.test/ ")["User-Agent"]
    assert told == f"clip-ranker/{__version__} (+https://me.test/)"
    assert of("http://a.test/", contact="me", user_agent="Mozilla/5.0")["User-Agent"] == (
        "Mozilla/5.0"
    )


@pytest.mark.parametrize("name", ["contact", "user_agent"])
@pytest.mark.parametrize("value", ["a\r\nX: y", "a\x00", "é", "a\n"])
def test_what_cannot_stand_in_a_header_is_refused_at_the_start(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})


HEADERS = (
    "A.test=Referer: https://a.test/?a=1,b=2, *.b.test=referer:https://b.test/,\n"
    "b.test=User-Agent: Mozilla/5.0 (X11; Linux, like Gecko) a=b: c,"
)


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("https://a.test/", {"Referer": "https://a.test/?a=1,b=2"}),
        ("https://x.b.test./", {"referer": "https://b.test/"}),
        ("https://b.test/", {"User-Agent": "Mozilla/5.0 (X11; Linux, like Gecko) a=b: c"}),
        ("https://xa.test/", {}),
        ("https://c.test/", {}),
    ],
)
def test_hosts_get_the_headers_that_are_meant_for_them(url: str, more: dict[str, str]) -> None:
    assert of(url, download_headers=HEADERS) == of(url) | more


@pytest.mark.parametrize(
    "entry",
    [
        *("a.test", "a.test=", "a.test=Referer", "a.test=Referer:", "=Referer: secret"),
        *("a.test=Host: secret", "a.test=Transfer-Encoding: secret", "a.test=A B: secret"),
        *("a.test=Referer: secret\r\nX: y", "a.test=Referer: sécret", "a.test=content-length: 1"),
    ],
)
def test_an_entry_that_is_none_is_refused_without_its_value(entry: str) -> None:
    with pytest.raises(ValueError, match="CLIP_DOWNLOAD_HEADERS") as error:
        of("http://a.test/", download_headers=entry)
    assert "secret" not in str(error.value)
    assert "secret" not in repr(Settings(download_headers=entry))


def test_a_redirect_takes_the_headers_of_one_host_to_no_other() -> None:
    async def resolve(*_: object) -> list[str]:
        return ["127.0.0.1"]

    async def scenario(server: RawServer) -> None:
        there = f"http://b.test:{server.port}/there".encode()
        server.says("/", b"HTTP/1.1 302 Found\r\nLocation: " + there + b"\r\n\r\n")
        server.says("/there", PICTURE)
        hosts = tuple(f"{name}.test:{server.port}" for name in "ab")
        settings = Settings(allow_private_hosts=hosts, download_headers="a.test=X-Key: 1")
        fetcher = Fetcher(settings, resolve=resolve)
        url = fetcher.check(f"http://a.test:{server.port}/")
        assert await fetcher.fetch(url) == b"picture"
        assert [b"\r\nX-Key: 1\r\n" in request for request in server.requests] == [True, False]
        await fetcher.close()

    with RawServer() as server:
        asyncio.run(scenario(server))
