"""Reads requests as clients write them: null for a default, numbers as text, names nearly right."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

LONGEST_ID = 256
MOST_NAMES, LONGEST_NAME = 50, 50
"""Of an object, and characters of a name: what is beyond is no field by another name."""
TYPED = 0.8
"""How much of a name must be right, from 0 to 1."""
READ_IT = "read the file and send its bytes as base64"

SLIPS = {
    "query_images_base64": "query_images query_photos photos pictures photos_base64 images_base64",
    "query_image_base64": "query image photo picture img file base64 query_image image_base64 "
    "photo_base64 base64_image image_b64 image_data",
    "query_image_url": "query_url photo_url picture_url image_url image_uri photo_uri uri",
    "candidates": "candidate listings items item auctions products results entries lots list data "
    "images photos pictures thumbnails image_urls urls",
    "request_id": "ranking_id rank_id request",
    "same": "verdict same_item is_same match",
    "auction_id": "id item_id listing_id product_id lot_id auction key sku code uuid",
    "image_url": "url urls uri src image images image_urls img img_url picture picture_url "
    "photo photo_url thumb thumb_url thumbnail thumbnail_url",
}
"""What is sent for a field by mistake, besides the name in another spelling."""


def _null_is_the_default(schema: JsonDict) -> None:
    """Documents for each optional field that null may stand for it."""
    required, properties = schema.get("required", []), schema["properties"]
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    for name, described in properties.items():
        assert isinstance(described, dict)
        if name not in required and "anyOf" not in described:
            about = {"title", "description", "default"}
            kind = {key: described.pop(key) for key in {*described} - about}
            described["anyOf"] = [kind, {"type": "null"}]


class Request(BaseModel):
    """Body of a request: null counts as left out, and a name that is nearly right is told."""

    model_config = ConfigDict(json_schema_extra=_null_is_the_default)
    one_of: ClassVar[frozenset[str]] = frozenset()
    """Fields one of which will do; a slip is looked for where all of them are missing."""

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, data: Any) -> Any:
        sent = object_of(data, "a JSON object")
        required = {name for name, field in cls.model_fields.items() if field.is_required()}
        given = {n: value for n, value in sent.items() if value is not None or n in required}
        check_spelling(given, cls.model_fields)
        if not cls.one_of & given.keys():
            check_slips(given, sorted(cls.one_of))
            for name in sorted(cls.one_of & sent.keys()):
                raise ValueError(f"{name} is null: there was no photo (yet) when this was sent")
        check_slips(given, (name for name in cls.model_fields if name not in cls.one_of))
        return given


def object_of(data: object, wanted: str) -> dict[str, Any]:
    """The data, which must be an object; ValueError says what it is and what is wanted."""
    if not isinstance(data, dict):
        raise ValueError(f"it is {kind_of(data)}: send {wanted}")  # noqa: TRY004
    return data


def check_spelling(given: dict[str, Any], fields: Iterable[str]) -> None:
    """ValueError where a field is missing that is there in another spelling, such as imageUrl."""
    for field in _missing(given, fields):
        if name := respelled(given, field):
            raise ValueError(did_you_mean(name, field))


def check_slips(given: dict[str, Any], fields: Iterable[str]) -> None:
    """ValueError where a field is missing and one is there that is often taken for it, or typed."""
    missing = {_bare(name): name for name in _missing(given, fields) if name in SLIPS}
    for field in missing.values():
        for name in slips(given, field):
            raise ValueError(did_you_mean(name, field))
    names = _names(given) if missing else {}
    for field in missing:
        # In this order it costs next to nothing where no name is near.
        for typed in get_close_matches(field, names, 1, TYPED):
            [nearest] = get_close_matches(typed, missing, 1, 0)
            raise ValueError(did_you_mean(names[typed], missing[nearest]))


def respelled(given: dict[str, Any], field: str) -> str | None:
    """The name under which a field that is missing is there in another spelling, if it is."""
    return _names(given).get(_bare(field))


def slips(given: dict[str, Any], field: str) -> list[str]:
    """Names that are there and often taken for a field."""
    names = _names(given)
    return [names[bare] for bare in map(_bare, SLIPS[field].split()) if bare in names]


def did_you_mean(name: str, field: str) -> str:
    """What is said of a slip."""
    return f"{name}: did you mean {field}?"


def kind_of(value: object) -> str:
    """What a value of JSON is, for people."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case str():
            return "text" if value.strip() else "empty text"
        case list():
            return "a list"
    return "an object"


def _missing(given: dict[str, Any], fields: Iterable[str]) -> list[str]:
    return [field for field in fields if given.get(field) is None]


def _names(given: dict[str, Any]) -> dict[str, str]:
    """Names of what is no null, by their letters and digits alone."""
    few = [name for name in islice(given, MOST_NAMES) if len(name) <= LONGEST_NAME]
    return {_bare(name): name for name in reversed(few) if given[name] is not None}


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _no_bool(kind: str) -> BeforeValidator:
    """A number may be written as 50, 50.0 or "50", but true is none."""

    def checked(value: object) -> object:
        if isinstance(value, bool):
            raise ValueError(f"Input should be a valid {kind}, not {kind_of(value)}")  # noqa: TRY004
        return value

    return BeforeValidator(checked)


def _id(value: object) -> object:
    match value:
        case bool() | float():
            said = kind_of(value) if isinstance(value, bool) else "a number with a decimal point"
            raise ValueError(f"it is {said}: send it as a string")
        case str() if not 0 < len(value) <= LONGEST_ID:
            raise ValueError(f"a string must have 1 to {LONGEST_ID} characters, not {len(value)}")
        case str() | int():
            return value
    raise ValueError(f"it is {kind_of(value)}: send it as a string or a whole number")


def _photo(value: object) -> object:
    match value:
        case str():
            return value
        case {"base64": str()}:
            raise ValueError("it is an object: send the text of its base64 alone")
        case dict():
            said = kind_of(value) if value else "an empty object, as JSON makes of a File or Blob"
        case _:
            said = kind_of(value)
    raise ValueError(f"it is {said}: {READ_IT}")


def _url(value: object) -> object:
    if isinstance(value, str):
        if value.lstrip()[:5].lower() == "data:":
            raise ValueError("this is the photo itself: send it as query_image_base64")
        return value
    raise ValueError(f"it is {kind_of(value)}: send the URL of the photo as text")


NUMBER = _no_bool("integer")
"""Behind the bounds of an integer: before them, they are missing in the JSON schema."""
Whole = Annotated[int, NUMBER]
Score = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False), _no_bool("number")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), _no_bool("number")]
Photo = Annotated[str, BeforeValidator(_photo)]
Url = Annotated[str, BeforeValidator(_url)]
Id = Annotated[
    Annotated[str, Field(min_length=1, max_length=LONGEST_ID)] | int, BeforeValidator(_id)
]
