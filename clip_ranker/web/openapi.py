"""Our own OpenAPI 3.1 document: every endpoint, field, bound and status of the API.

BentoML's knows its own answers only. The fields and bounds here come from the schema's models, so
they cannot differ from what is checked; that the statuses are true is held by a test.
"""

import functools
from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from typing_extensions import TypedDict

from clip_ranker import __version__
from clip_ranker.schema import (
    AnswerEvent,
    FailedEvent,
    PrefetchRequest,
    PrefetchResponse,
    RankRequest,
    RankResponse,
    ScoredEvent,
)

REF = "#/components/schemas/{model}"
MODELS = (
    RankRequest,
    RankResponse,
    PrefetchRequest,
    PrefetchResponse,
    ScoredEvent,
    FailedEvent,
    AnswerEvent,
)
ERRORS = {
    400: "The request is wrong, or the photo cannot be had or read; `error` names the field.",
    401: "A key is set and the request brings none, or a wrong one.",
    408: "The body took too long to arrive.",
    413: "The body is over the limit.",
    415: "The body is not `application/json`.",
    429: "As many requests as the service takes are under way.",
    503: "The model is starting, or the service is about to stop.",
}
RETRIED = (429, 503)
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
}
SERVER_TIMING = {
    "Server-Timing": {"description": "The stages, in milliseconds.", "schema": {"type": "string"}},
}
RANK_EXAMPLE = {
    "query_image_url": "example:cat",
    "candidates": [
        {"auction_id": "A1", "image_url": "example:coffee", "title": "コーヒーカップ"},
        {"auction_id": "A2", "image_url": "example:cat", "title": "猫"},
    ],
    "top_k": 50,
    "max_concurrency": 10,
    "image_resize": 768,
}
PREFETCH_EXAMPLE = {"candidates": RANK_EXAMPLE["candidates"], "image_resize": 768}


RANK_ANSWER = {
    "results": [
        {"auction_id": "A2", "score": 1.0, "rank": 1},
        {"auction_id": "A1", "score": 0.0865, "rank": 2},
    ],
    "failed": [],
    "meta": {
        "model": "efficientnet_lite0",
        "image_resize": 768,
        "candidates": 2,
        "succeeded": 2,
        "failed": 0,
        "cached": 0,
        "partial": False,
        "timing_ms": {"total": 65.5, "download": 15.4, "decode": 18.3, "embed": 48.7},
    },
}
PREFETCH_ANSWER = {"accepted": 2, "known": 0, "refused": 0}
ABOUT = (
    "Ranks listings by the likeness of their thumbnails to a photo. One bad thumbnail never fails "
    "a request: it is listed in `failed`. Any other path answers 404, another method 405, a fault "
    "of ours 500, all as `ErrorBody`."
)


class Fault(TypedDict, total=False):
    """One fault in a request."""

    field: Annotated[str, Field(description="Where, as a path in the request.")]
    reason: Annotated[str, Field(description="Why, as a reason code, where it is a picture.")]
    message: Annotated[str, Field(description="What is wrong.")]


class ErrorBody(BaseModel):
    """The one shape of every error."""

    error: str = Field(description="One sentence that names the field and the fix.")
    detail: list[Fault] = Field(description="One entry a fault, for programs.")


@functools.cache
def document() -> dict[str, Any]:
    """The document, as JSON types."""
    _, definitions = models_json_schema(
        [(model, "validation") for model in (*MODELS, ErrorBody)], ref_template=REF
    )
    rank = {
        "requestBody": _json_body("RankRequest", RANK_EXAMPLE),
        "security": [{}, {"key": []}],
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "clip-ranker",
            "version": __version__,
            "description": ABOUT,
        },
        "paths": {
            "/rank": {
                "post": {
                    "operationId": "rank",
                    "summary": "Rank listings by likeness to a photo",
                    "description": "Downloads the thumbnails, embeds them and the photo, and "
                    "answers when every candidate is ranked or has failed.",
                    **rank,
                    "responses": {
                        "200": _json_answer(
                            "Ranks, and what could not be ranked.",
                            "RankResponse",
                            SERVER_TIMING,
                            RANK_ANSWER,
                        ),
                        **_errors(ERRORS),
                    },
                }
            },
            "/rank/stream": {
                "post": {
                    "operationId": "rankStream",
                    "summary": "The same, each candidate as soon as it is there",
                    "description": "What is wrong with the request or the photo is answered with "
                    "a status before the stream begins. A client that leaves stops the work.",
                    **rank,
                    "responses": {
                        "200": {
                            "description": "A JSON object a line: a `ScoredEvent` or a "
                            "`FailedEvent` for each candidate as it comes, then an `AnswerEvent`, "
                            "or an `ErrorBody` with `type` `error`.",
                            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
                        },
                        **_errors(ERRORS),
                    },
                }
            },
            "/prefetch": {
                "post": {
                    "operationId": "prefetch",
                    "summary": "Embed thumbnails ahead of the request that will ask for them",
                    "description": "Answers at once and works in the background, behind every "
                    "/rank. Send the same `image_resize` as the /rank to come.",
                    "requestBody": _json_body("PrefetchRequest", PREFETCH_EXAMPLE),
                    "security": [{}, {"key": []}],
                    "responses": {
                        "202": _json_answer(
                            "What became of them.", "PrefetchResponse", example=PREFETCH_ANSWER
                        ),
                        **_errors(ERRORS),
                    },
                }
            },
            "/healthz": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the service can embed",
                    "description": "Needs no key.",
                    "responses": {
                        "200": _text("It can; the body is `ok`."),
                        "503": _error(ERRORS[503], retry=True),
                    },
                }
            },
        },
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _json_body(model: str, example: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": {"$ref": REF.format(model=model)}, "example": example}
    return {"required": True, "content": {"application/json": content}}


def _json_answer(
    description: str,
    model: str,
    headers: dict[str, Any] | None = None,
    example: dict[str, Any] | None = None,
) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": REF.format(model=model)}}
    if example:
        content["example"] = example
    answer: dict[str, Any] = {
        "description": description,
        "content": {"application/json": content},
    }
    return answer | ({"headers": headers} if headers else {})


def _text(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"text/plain": {"schema": {"type": "string", "const": "ok"}}},
    }


def _errors(described: dict[int, str]) -> dict[str, Any]:
    return {
        str(status): _error(text, retry=status in RETRIED) for status, text in described.items()
    }


def _error(description: str, *, retry: bool) -> dict[str, Any]:
    return _json_answer(description, "ErrorBody", RETRY_AFTER if retry else None)
