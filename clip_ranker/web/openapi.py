"""Our own OpenAPI 3.1 document: every endpoint, field, bound and status of the API.

BentoML's knows its own answers only. ``openapi.yaml`` holds what is written by hand. The fields
and bounds come from the schema's models, so they cannot differ from what is checked; that the
statuses are true is held by a test.
"""

import functools
import json
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.json_schema import models_json_schema
from typing_extensions import TypedDict

from clip_ranker import __version__, examples
from clip_ranker.rank import events, feedback, models, prefetch, schema

TEMPLATE = Path(__file__).with_suffix(".yaml")
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
    detail_code: Annotated[str, Field(description="As in `failed`, where it is a picture.")]
    detail_params: Annotated[
        dict[str, str | int | float], Field(description="As in `failed`, where it is a picture.")
    ]


class ErrorBody(BaseModel):
    """The one shape of every answer from 400 up."""

    model_config = ConfigDict(json_schema_extra={"example": ERROR_EXAMPLE})

    error: str = Field(description="One sentence that names the field and the fix.")
    detail: list[Fault] = Field(description="One entry a fault, for programs.")


BODIES = (
    schema.RankRequest,
    prefetch.PrefetchRequest,
    prefetch.PrefetchResponse,
    feedback.FeedbackRequest,
    feedback.FeedbackResponse,
    models.ModelsResponse,
    ErrorBody,
)
EVENTS = (events.ScoredEvent, events.FailedEvent, events.AnswerEvent)  # this holds a RankResponse


@functools.cache
def document(*, demo: bool = True) -> dict[str, Any]:
    """The document, as JSON types.

    Args:
        demo: whether there is a page to try the service.
    """
    found: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text())
    found["info"]["version"] = __version__
    _, schemas = models_json_schema(
        [(model, "validation") for model in (*BODIES, *EVENTS)],
        ref_template="#/components/schemas/{model}",
    )
    found["components"]["schemas"] = schemas["$defs"]
    paths = found["paths"]
    stream = paths["/rank/stream"]["post"]["responses"]["200"]["content"]["application/x-ndjson"]
    stream["example"] = "".join(json.dumps(line) + "\n" for line in stream["example"])
    (name,) = paths["/examples/{name}.jpg"]["get"]["parameters"]
    name["schema"]["enum"] = examples.all_names()
    if not demo:
        for path in ("/demo", "/examples.json", "/examples/{name}.jpg"):
            del paths[path]
    return found
