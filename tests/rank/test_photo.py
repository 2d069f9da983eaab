import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.errors import BadRequestError
from clip_ranker.rank.photo import decode_base64

spaces = st.text(" \n\r\t", max_size=3)
prefixes = st.sampled_from(
    ["", "data:image/jpeg;base64,", "data:;base64,", "DATA:image/png;charset=x;BASE64,"]
)


@given(st.binary(min_size=1), prefixes, spaces, st.booleans(), st.booleans(), st.data())
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
