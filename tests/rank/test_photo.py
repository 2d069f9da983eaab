import base64
import contextlib
import re
import tracemalloc
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.errors import BadRequestError
from clip_ranker.rank.photo import decode_base64
from tests.photos import PHOTOS

spaces = st.text(" \n\r\t", max_size=3)
prefixes = st.sampled_from(
    [
        "",
        "data:image/jpeg;base64,",
        "data:;base64,",
        "DATA:image/png;charset=x;BASE64,",
        "base64,",
        "image/jpeg;base64,",
    ]
)


@given(
    st.binary(min_size=1, max_size=700), prefixes, spaces, st.booleans(), st.booleans(), st.data()
)
def test_every_spelling_of_the_same_bytes_decodes_to_them(
    photo: bytes, prefix: str, space: str, url_safe: bool, padded: bool, data: st.DataObject
) -> None:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(photo).decode()
    if not padded:
        text = text.rstrip("=")
    cut = data.draw(st.integers(0, len(text)))
    assert decode_base64(prefix + text[:cut] + space + text[cut:]) == photo


@pytest.mark.parametrize(
    "text",
    ["", " \n", "data:image/jpeg;base64,", "data:image/jpeg,abcd", "data:", "a", "a!cd", "é"],
)
def test_what_is_not_base64_is_a_bad_request_that_names_the_field(text: str) -> None:
    with pytest.raises(BadRequestError, match="query_image_base64"):
        decode_base64(text)


PHOTO = PHOTOS["cat"]
TEXT = base64.b64encode(PHOTO).decode()


def lines(text: str, length: int, between: str) -> str:
    return between.join(re.findall(f".{{1,{length}}}", text))


@pytest.mark.parametrize(
    "sent",
    [
        TEXT.replace("+", " "),
        lines(TEXT, 76, "\n").replace("+", " "),
        "data:image/jpeg;base64," + TEXT.replace("+", " "),
        quote(TEXT, safe=""),
        quote(TEXT, safe="/"),
        re.sub("%..", lambda escaped: escaped[0].lower(), quote(TEXT, safe="")),
        quote(f"data:image/jpeg;base64,{TEXT}", safe=""),
        quote(lines(TEXT, 76, "\r\n"), safe=""),
    ],
)
def test_what_was_changed_on_the_way_is_the_same_photo(sent: str) -> None:
    assert decode_base64(sent) == PHOTO


@pytest.mark.parametrize("length", [16, 64, 76, 1000])
@pytest.mark.parametrize("between", [" ", "\n", "\r\n", " \n", "\n  ", "\n\t"])
@pytest.mark.parametrize("photo", [PHOTO, bytes(2000)], ids=["any", "without-plus"])
def test_lines_may_be_divided_by_white_space(photo: bytes, length: int, between: str) -> None:
    assert decode_base64(lines(base64.b64encode(photo).decode(), length, between)) == photo


@pytest.mark.parametrize("lost", [1, 2, 3, 5])
def test_of_a_short_text_the_length_tells_what_spaces_were(lost: int) -> None:
    text = "".join("A" * 3 * n + "+" for n in range(1, lost + 1)).rjust(96, "A") + "AAE="
    assert decode_base64(text.replace("+", " ")) == base64.b64decode(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ph://9F983DBA-EC35-42B8-8773-B597CF782EDD/L0/001", r"\(ph:\): read the file"),
        ("file:///var/mobile/a%20b.jpg", r"\(file:\): read the file"),
        ("content://media/external/images/media/1", r"\(content:\): read the file"),
        ("blob:http://localhost:8081/4a9d", r"\(blob:\): read the file"),
        ("assets-library://asset/a.HEIC?id=1", r"\(assets-library:\): read the file"),
        (" HTTPS://img.example/a.jpg", "query_image_url"),
        ("http%3A%2F%2Fimg.example%2Fa.jpg", "query_image_url"),
        ("example:cat", "query_image_url"),
        ("/storage/emulated/0/DCIM/Camera/a b.jpg", "path of a file"),
        ("C:\\Pictures\\a.png", "path of a file"),
        ("C:/Pictures/a.png", "path of a file"),
        ("\\\\server\\a.png", "path of a file"),
        ("IMG_0001.HEIC", "path of a file"),
        ("undefined", "JavaScript's 'undefined'"),
        ("null", "JavaScript's 'null'"),
        ("[object Object]", r"JavaScript's '\[object Object\]'"),
        ("data:image/jpeg;base64,undefined", "JavaScript's 'undefined'"),
        (base64.b64encode(TEXT.encode()).decode(), "base64 twice"),
        (base64.b64encode(f"data:image/jpeg;base64,{TEXT}".encode()).decode(), "base64 twice"),
        (quote(quote(TEXT, safe=""), safe=""), "percent-encoded"),
        (f'"{TEXT}"', "character 1 is '\"'"),
        (TEXT[:100].rstrip("=") + "A", "cut off or changed"),
        (TEXT[:50] + "=" + TEXT[50:], "character 51 is '='"),
    ],
)
def test_what_was_sent_instead_is_named(text: str, says: str) -> None:
    with pytest.raises(BadRequestError, match=f"^query_image_base64: .*{says}") as raised:
        decode_base64(text)
    assert len(str(raised.value)) < 300
    assert raised.value.detail == [
        {"field": "query_image_base64", "message": str(raised.value).partition(": ")[2]}
    ]


@given(st.text(st.sampled_from("A+ \n=%2Bx/")), st.booleans())
def test_no_text_breaks_it(text: str, repeated: bool) -> None:
    with contextlib.suppress(BadRequestError):
        decode_base64(text * 500 if repeated else text)


@pytest.mark.parametrize(
    "text", [" ", "A ", "A\n", "%2B", "%", "A" * 99 + " ", "/", "a:", "[object "]
)
def test_a_long_text_takes_no_memory_but_its_own(text: str) -> None:
    sent = text * (4_000_000 // len(text))
    tracemalloc.start()
    with contextlib.suppress(BadRequestError):
        decode_base64("A" + sent + "A")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * len(sent)
