"""Answers that browsers show are read, under the same limits; pages instead of pictures say so."""

import gzip
import socket
import zlib
from collections.abc import Iterator

import pytest

from clip_ranker.download import web_page
from clip_ranker.download.fetch import Fetcher
from clip_ranker.download.web_page import TITLE_CHARS
from clip_ranker.errors import DownloadFailedError, NotAnImageError, TooLargeError
from clip_ranker.settings import Settings
from tests.download.test_fetch import LIMIT, outcome, run
from tests.hostile.answers import OK
from tests.hostile.raw_server import RawServer, until_closed


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


BODY = bytes(range(256)) * 3


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def encoded(name: str, body: bytes) -> bytes:
    return OK + b"Content-Encoding: %s\r\n\r\n" % name.encode() + body


@pytest.mark.parametrize("name", ["", "identity", "binary", "aws-chunked", "UTF-8", "none", "x"])
def test_what_is_no_encoding_is_left_out(name: str, server: RawServer) -> None:
    server.says("/", encoded(name, BODY))
    assert outcome(server, "/") == BODY


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("aws-chunked, gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
        ("gzip", gzip.compress(BODY) + b"rubbish"),
        ("gzip", gzip.compress(BODY)[:-8]),  # without its checksum
    ],
)
def test_what_is_compressed_unasked_is_read(name: str, body: bytes, server: RawServer) -> None:
    server.says("/", encoded(name, body))
    assert outcome(server, "/") == BODY
    server.acts["/"] = lambda connection: [
        connection.sendall(one) for one in (encoded(name, b""), *(bytes([byte]) for byte in body))
    ]
    assert outcome(server, "/") == BODY


@pytest.mark.parametrize("size", [LIMIT + 1, 50_000_000])
@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_the_limit_holds_for_what_comes_out(name: str, size: int, server: RawServer) -> None:
    compress = gzip.compress if name == "gzip" else zlib.compress
    server.says("/", encoded(name, compress(bytes(size))))
    assert isinstance(outcome(server, "/", max_download_bytes=LIMIT * 60), TooLargeError) is (
        size > LIMIT * 60
    )
    assert isinstance(outcome(server, "/"), TooLargeError)


def test_a_bomb_is_refused_before_it_is_all_there(server: RawServer) -> None:
    def act(connection: socket.socket) -> None:
        connection.sendall(encoded("gzip", gzip.compress(bytes(10_000_000))[:5000]))
        until_closed(connection)

    server.acts["/"] = act
    assert isinstance(outcome(server, "/", download_timeout_s=30), TooLargeError)


def test_blocks_that_unfold_to_nothing_end_at_the_limit(server: RawServer) -> None:
    empty = b"\x00\x00\x00\xff\xff" * 1000
    server.says("/", encoded("deflate", b"\x78\x9c" + empty))
    assert isinstance(outcome(server, "/"), TooLargeError)


def test_a_206_that_holds_the_whole_picture_is_one(server: RawServer) -> None:
    part = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-6/7\r\n\r\npicture"
    server.says("/", part)
    assert outcome(server, "/") == b"picture"


def page(title: bytes, status: bytes = b"403 Forbidden", more: bytes = b"") -> bytes:
    html = b"<!DOCTYPE html><html><head>" + more + b"<title>" + title + b"</title></head>"
    return b"HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        len(html),
        html,
    )


@pytest.mark.parametrize("status", ["403 Forbidden", "451 Unavailable", "503 Busy", "429 Slow"])
def test_a_block_page_says_so(status: str, server: RawServer) -> None:
    server.says("/", page(b"\n Just a  moment&hellip; ", status.encode()))
    failure = outcome(server, "/", download_timeout_s=5)
    assert isinstance(failure, DownloadFailedError)
    assert str(failure) == f"HTTP {status[:3]} with a web page, “Just a moment…”"


def test_a_page_that_counts_as_success_is_no_picture(server: RawServer) -> None:
    server.says("/", page(b"Before you continue", b"200 OK").replace(b"text/html", b"image/png"))
    failure = outcome(server, "/")
    assert isinstance(failure, NotAnImageError)
    assert str(failure) == "not a picture: this is a web page, “Before you continue”"
    server.says("/", OK + b"\r\n  <html>no title")
    assert str(outcome(server, "/")) == "not a picture: this is a web page"


@pytest.mark.parametrize(
    "start",
    [
        b"<h2>",
        b"<span>",
        b"<noscript>",
        b"<img src=a>",
        b"<main>",
        b"<!--%s-->\n<p>" % bytes(50_000),
    ],
)
def test_a_page_is_one_whatever_it_begins_with(start: bytes, server: RawServer) -> None:
    server.says("/", OK + b"\r\n" + start)
    assert str(outcome(server, "/", max_download_bytes=100_000)) == (
        "not a picture: this is a web page"
    )


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_the_page_of_an_error_may_be_packed(encoding: str, server: RawServer) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    html = pack(b"<title>No robots</title>" + bytes(50_000_000))
    head = b"HTTP/1.1 403 No\r\nContent-Type: text/html\r\nContent-Encoding: %s\r\n\r\n"
    head %= encoding.encode()
    server.says("/", head + html)
    assert str(outcome(server, "/")) == "HTTP 403 with a web page, “No robots”"
    for unreadable in (b"", b"<title>No robots</title>", html[:5]):
        server.says("/", head + unreadable)
        assert str(outcome(server, "/")) == "HTTP 403"


@pytest.mark.parametrize("encoding", [b"br", b"gzip, gzip"])
def test_a_packed_page_that_is_not_read_is_the_error_it_came_with(
    encoding: bytes, server: RawServer
) -> None:
    server.says(
        "/", page(b"x").replace(b"\r\n\r\n", b"\r\nContent-Encoding: %s\r\n\r\n" % encoding)
    )
    assert str(outcome(server, "/")) == "HTTP 403"


@pytest.mark.parametrize(
    ("title", "more", "says"),
    [
        (b"a\x1b[2J\x07\x00\r\nb&#27;[1m&#x202e;", b"", "a[2J b[1m"),
        ("アクセスできません".encode(), b"", "アクセスできません"),
        ("制限".encode("euc-jp"), b'<meta charset="euc-jp">', "制限"),
        ("制限".encode("cp932"), b"<meta content='text/html; charset=Shift_JIS'>", "制限"),
        (b"x" * 500, b"", "x" * (TITLE_CHARS - 1) + "…"),
        (b"ok", b"<meta charset=nonsense>", "ok"),
        (b"ok", b"<meta charset=base64>", "ok"),
        (b"ok", b"<meta charset=idna>", "ok"),
        (b"\xff\xfe", b"", "\ufffd\ufffd"),
    ],
)
def test_titles_are_made_plain(title: bytes, more: bytes, says: str, server: RawServer) -> None:
    server.says("/", page(title, more=more))
    assert str(outcome(server, "/")) == f"HTTP 403 with a web page, “{says}”"


@pytest.mark.parametrize(
    "html",
    [b"", b"<title>", b"<title", b"</title><title>", b"<title></title>", b"<title" * 100_000],
)
def test_pages_without_a_title_are_errors_all_the_same(html: bytes, server: RawServer) -> None:
    server.says("/", b"HTTP/1.1 403 No\r\nContent-Type: text/html\r\n\r\n" + html)
    assert str(outcome(server, "/")) == "HTTP 403"


def test_a_page_that_never_ends_costs_its_error_no_time_out(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_page, "PATIENCE_S", 0.1)

    def act(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 403 No\r\nContent-Type: text/html\r\n\r\n<title>Never")
        until_closed(connection)

    server.acts["/"] = act
    assert str(outcome(server, "/", download_timeout_s=30)) == "HTTP 403"


def test_a_page_that_breaks_off_is_the_error_it_came_with(server: RawServer) -> None:
    whole = page(b"No robots").replace(b"Content-Length: ", b"Content-Length: 9")
    server.says("/", whole)
    assert str(outcome(server, "/")) == "HTTP 403 with a web page, “No robots”"
    assert len(server.requests) == 1


def test_headers_of_an_answer_never_reach_a_sentence(server: RawServer) -> None:
    evil = b"\x9b31m\xe2\x80\xae\x80"
    for head in (
        b"403 " + evil + b"\r\nContent-Type: text/html; charset=" + evil,
        b"200 OK\r\nContent-Encoding: " + evil + b", br",
        b"206 OK\r\nContent-Range: bytes 0-" + evil,
        b"302 Found\r\nLocation: http://" + evil + b".test/",
        b"302 Found\r\nLocation: " + evil + b"://x",
        b"503 Busy\r\nRetry-After: " + evil,
    ):
        server.says("/", b"HTTP/1.1 " + head + b"\r\nContent-Length: 0\r\n\r\n")
        failure = str(outcome(server, "/"))
        assert failure.isascii()
        assert failure.isprintable()


def test_a_redirect_that_loops_names_the_host(server: RawServer) -> None:
    there = f"http://b.test:{server.port}/2".encode()
    back = f"http://a.test:{server.port}/1".encode()
    server.says("/1", b"HTTP/1.1 302 Found\r\nLocation: " + there + b"\r\n\r\n")
    server.says("/2", b"HTTP/1.1 302 Found\r\nLocation: " + back + b"\r\n\r\n")

    async def resolve(*_: object) -> list[str]:
        return ["127.0.0.1"]

    async def scenario(_: object) -> None:
        hosts = tuple(f"{name}.test:{server.port}" for name in "ab")
        fetcher = Fetcher(Settings(allow_private_hosts=hosts), resolve=resolve)
        with pytest.raises(DownloadFailedError, match=r"^redirects in a loop at a\.test$"):
            await fetcher.fetch(fetcher.check(back.decode()))
        assert len(server.requests) == 2
        await fetcher.close()

    run(server, scenario)
