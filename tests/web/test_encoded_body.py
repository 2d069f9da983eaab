import codecs
import gzip
import json
import os
import tracemalloc
import zlib
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.errors import (
    BadRequestError,
    BodyTooLargeError,
    RequestError,
    UnsupportedMediaTypeError,
)
from clip_ranker.unfolding import STEP_BYTES
from clip_ranker.web.encoded_body import to_json_text

LIMIT = 1000
TEXT = '{"title": "猫 \\ud83d\\ude00 \\\\ \\" \\/"}'.encode()

# Without the time of day: processes that share the tests out must agree on their names.
gzipped = partial(gzip.compress, mtime=0)


def raw_deflate(data: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(data) + packing.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (codecs.BOM_UTF8 + TEXT, ""),
        (gzipped(TEXT), "gzip"),
        (gzipped(TEXT), " X-GZIP , identity"),
        (gzipped(codecs.BOM_UTF8 + TEXT), "gzip"),
        (gzipped(TEXT[:9]) + gzipped(TEXT[9:]), "gzip"),
        (gzipped(TEXT) + bytes(500), "gzip"),  # as tapes and block devices pad it
        (gzipped(TEXT[:9]) + bytes(7) + gzipped(TEXT[9:]) + b"\0", "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (raw_deflate(TEXT), "Deflate"),
        (gzipped(zlib.compress(TEXT)), "deflate, gzip"),
    ],
)
def test_what_comes_out_is_the_json(body: bytes, encoding: str) -> None:
    assert to_json_text(body, encoding, LIMIT) == TEXT
    assert to_json_text(bytearray(body), encoding, LIMIT) == TEXT


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_an_empty_body_is_left_to_the_parser(encoding: str) -> None:
    assert to_json_text(gzipped(b"") if encoding else b"", encoding, LIMIT) == b""


@pytest.mark.parametrize(
    ("body", "encoding", "kind", "says"),
    [
        (TEXT, "br", UnsupportedMediaTypeError, "'br'.*gzip"),
        (TEXT, "aws-chunked\x1b", UnsupportedMediaTypeError, "gzip"),
        (TEXT, "gzip", BadRequestError, "says gzip, but"),
        (TEXT, "deflate", BadRequestError, "says deflate, but"),
        (b"", "gzip", BadRequestError, "ends in the middle"),
        (gzipped(TEXT)[:-9], "gzip", BadRequestError, "ends in the middle"),
        (gzipped(TEXT) + b"more", "gzip", BadRequestError, "damaged"),
        (gzipped(b"") * 9, "gzip", BadRequestError, "more than 8 files"),
        (gzipped(TEXT), "", BadRequestError, "Content-Encoding: gzip"),
        (gzipped(gzipped(TEXT)), "gzip", BadRequestError, "Content-Encoding: gzip"),
        (TEXT, "gzip, gzip, gzip", BadRequestError, "packed more than twice"),
        (gzipped(b"x" * (LIMIT + 1)), "gzip", BodyTooLargeError, "1000 bytes"),
        (gzipped(b"x" * 600) * 2, "gzip", BodyTooLargeError, "1000 bytes"),
        (TEXT.decode().encode("utf-16"), "", BadRequestError, "UTF-8"),
        (TEXT.decode().encode("utf-16-le"), "", BadRequestError, "UTF-8"),
        (TEXT.decode().encode("utf-16-be"), "", BadRequestError, "UTF-8"),
        (TEXT.decode().encode("utf-32"), "", BadRequestError, "UTF-8"),
        (gzipped(TEXT.decode().encode("utf-16")), "gzip", BadRequestError, "UTF-8"),
    ],
)
def test_what_is_refused_says_what_it_is(
    body: bytes, encoding: str, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        to_json_text(body, encoding, LIMIT)


def test_as_much_as_the_limit_comes_out() -> None:
    assert to_json_text(gzipped(b"x" * LIMIT), "gzip", LIMIT) == b"x" * LIMIT


@pytest.mark.parametrize("behind", range(30))
def test_what_ends_just_behind_a_step_is_whole(behind: int) -> None:
    text = b"x" * (STEP_BYTES + behind)
    assert to_json_text(raw_deflate(text), "deflate", 10**6) == text


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_is_stopped_at_the_limit(layers: int) -> None:
    bomb = bytes(200_000_000)
    for _ in range(layers):
        bomb = gzipped(bomb, compresslevel=1)
    tracemalloc.start()
    with pytest.raises(BodyTooLargeError):
        to_json_text(bomb, ", ".join(["gzip"] * layers), 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@given(st.lists(st.text(st.characters(codec=None), max_size=9)))
def test_half_a_character_spoils_nothing_else(titles: list[str]) -> None:
    body = json.dumps(titles).encode()
    read = json.loads(to_json_text(body, "", 10**6))
    # As UTF-16, because two halves that meet are one character.
    sound = [
        title.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for title in titles
    ]
    assert [title.count("\ufffd") for title in read] == [title.count("\ufffd") for title in sound]
    assert [len(title) for title in read] == [len(title) for title in sound]
    "".join(read).encode()


@given(st.lists(st.text(max_size=9)))
def test_what_is_whole_stays_as_it_is(titles: list[str]) -> None:
    for ascii_only in (True, False):
        body = json.dumps(titles, ensure_ascii=ascii_only).encode()
        assert to_json_text(body, "", 10**6) == body


@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "deflate", "gzip, deflate"]))
def test_no_bytes_break_it(body: bytes, encoding: str) -> None:
    with suppress(RequestError):
        to_json_text(body, encoding, LIMIT)


def test_the_photo_of_a_large_body_is_left_alone() -> None:
    body = b'["' + b"\\/" * 1_000_000 + b'\\ud83d"]' + os.urandom(9)
    assert to_json_text(body, "", 10**8) == body
