"""The pieces that operations of the OpenAPI document are made of."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from typing_extensions import TypedDict

REF = "#/components/schemas/{model}"
RETRIED = (429, 503)
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
}
WWW_AUTHENTICATE = {
    "WWW-Authenticate": {"description": "How to bring the key.", "schema": {"const": "Bearer"}},
}
VERSION = {
    "X-Clip-Ranker-Version": {
        "description": "Version of the service.",
        "schema": {"type": "string"},
    },
}


_TOO_SMALL = "Input should be greater than or equal to 224"
ERROR_EXAMPLE: JsonDict = {
    "error": f"image_resize: {_TOO_SMALL}",
    "detail": [{"field": "image_resize", "message": _TOO_SMALL}],
}


class Fault(TypedDict, total=False):
    """One fault in a request."""

    field: Annotated[str, Field(description="Where, as a path in the request.")]
    reason: Annotated[str, Field(description="Why, as a reason code, where it is a picture.")]
    message: Annotated[str, Field(description="What is wrong.")]


class ErrorBody(BaseModel):
    """The one shape of every answer from 400 up."""

    model_config = ConfigDict(json_schema_extra={"example": ERROR_EXAMPLE})

    error: str = Field(description="One sentence that names the field and the fix.")
    detail: list[Fault] = Field(description="One entry a fault, for programs.")


def json_body(model: str, example: dict[str, Any]) -> dict[str, Any]:
    """A request body of that model."""
    content = {"schema": {"$ref": REF.format(model=model)}, "example": example}
    return {"required": True, "content": {"application/json": content}}


def json_answer(
    description: str,
    model: str,
    headers: dict[str, Any] | None = None,
    example: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An answer of that model."""
    media: dict[str, Any] = {"schema": {"$ref": REF.format(model=model)}}
    if example:
        media["example"] = example
    return answer(description, "application/json", media, headers)


def answer(
    description: str,
    kind: str,
    media: dict[str, Any],
    headers: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An answer of a media type, with the header that every answer has."""
    return {
        "description": description,
        "headers": VERSION | (headers or {}),
        "content": {kind: media},
    }


def text(description: str, **schema: str) -> dict[str, Any]:
    """A plain text."""
    return answer(description, "text/plain", {"schema": {"type": "string"} | schema})


def errors(described: dict[int, str]) -> dict[str, Any]:
    """Answers of ``ErrorBody`` by status."""
    return {str(status): error(status, text) for status, text in described.items()}


def error(status: int, description: str) -> dict[str, Any]:
    """An answer of ``ErrorBody``, with the headers that come with its status."""
    headers = RETRY_AFTER if status in RETRIED else WWW_AUTHENTICATE if status == 401 else None
    return json_answer(description, "ErrorBody", headers)
