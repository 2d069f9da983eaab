"""The photo out of a request's base64 text."""

import base64
import binascii
import string

from clip_ranker.errors import BadRequestError

_URL_SAFE = str.maketrans("-_", "+/", string.whitespace)


def decode_base64(text: str) -> bytes:
    """Bytes of the photo.

    Takes what apps send: a ``data:`` prefix, white space, the URL-safe alphabet, no padding.

    Raises:
        BadRequestError: this is not base64, or nothing.
    """
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.rstrip().lower().endswith(";base64"):
            raise BadRequestError(
                "query_image_base64: a data: URL must hold base64, as in data:image/jpeg;base64,…"
            )
    if not text.isascii():  # translating it would hold up the whole process
        raise BadRequestError("query_image_base64: this is not base64")
    text = text.translate(_URL_SAFE).rstrip("=")
    if not text:
        raise BadRequestError("query_image_base64: it is empty; send the photo as base64")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError("query_image_base64: this is not base64") from error
