"""Our own OpenAPI 3.1 document: every endpoint, field, bound and status of the API.

BentoML's knows its own answers only. The fields and bounds here come from the schema's models, so
they cannot differ from what is checked; that the statuses are true is held by a test.
"""

import functools
import json
from typing import Any

from pydantic.json_schema import models_json_schema

from clip_ranker import __version__
from clip_ranker.rank.schema import (
    AnswerEvent,
    FailedEvent,
    PrefetchRequest,
    PrefetchResponse,
    RankRequest,
    RankResponse,
    ScoredEvent,
)
from clip_ranker.web.openapi_reading import STARTING, reading
from clip_ranker.web.openapi_shapes import (
    REF,
    ErrorBody,
    answer,
    errors,
    json_answer,
    json_body,
)

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
    503: STARTING,
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
STREAM_LINES = [
    {
        "type": "scored",
        "index": 0,
        "auction_id": "A1",
        "score": 0.0865,
        "done": 1,
        "candidates": 2,
    },
    {"type": "scored", "index": 1, "auction_id": "A2", "score": 1.0, "done": 2, "candidates": 2},
    {"type": "answer", "answer": RANK_ANSWER},
]
STREAM = {
    # One text as far as OpenAPI 3.1 can say; the name is that of OpenAPI 3.2 behind the x.
    "schema": {"type": "string"},
    "x-itemSchema": {
        "oneOf": [
            {"$ref": REF.format(model=event.__name__)}
            for event in (ScoredEvent, FailedEvent, AnswerEvent)
        ]
    },
    "example": "".join(json.dumps(line) + "\n" for line in STREAM_LINES),
}
PREFETCH_ANSWER = {"accepted": 2, "known": 0, "refused": 0}
ABOUT = (
    "Ranks listings by the likeness of their thumbnails to a photo. One bad thumbnail never fails "
    "a request: it is listed in `failed`. Any other path answers 404, another method 405, a fault "
    "of ours 500, all as `ErrorBody`. What is read with GET needs no key, and HEAD works too."
)


@functools.cache
def document(*, demo: bool = True) -> dict[str, Any]:
    """The document, as JSON types.

    Args:
        demo: whether there is a page to try the service.
    """
    _, definitions = models_json_schema(
        [(model, "validation") for model in (*MODELS, ErrorBody)], ref_template=REF
    )
    rank = {
        "tags": ["ranking"],
        "requestBody": json_body("RankRequest", RANK_EXAMPLE),
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
                        "200": json_answer(
                            "Ranks, and what could not be ranked.",
                            "RankResponse",
                            SERVER_TIMING,
                            RANK_ANSWER,
                        ),
                        **errors(ERRORS),
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
                        "200": answer(
                            "A JSON object a line: a `ScoredEvent` or a `FailedEvent` for each "
                            "candidate as it comes, then an `AnswerEvent`, or an `ErrorBody` with "
                            "`type` `error`.",
                            "application/x-ndjson",
                            STREAM,
                        ),
                        **errors(ERRORS),
                    },
                }
            },
            "/prefetch": {
                "post": {
                    "operationId": "prefetch",
                    "summary": "Embed thumbnails ahead of the request that will ask for them",
                    "description": "Answers at once and works in the background, behind every "
                    "/rank. Send the same `image_resize` as the /rank to come.",
                    "tags": ["ranking"],
                    "requestBody": json_body("PrefetchRequest", PREFETCH_EXAMPLE),
                    "security": [{}, {"key": []}],
                    "responses": {
                        "202": json_answer(
                            "What became of them.", "PrefetchResponse", example=PREFETCH_ANSWER
                        ),
                        **errors(ERRORS),
                    },
                }
            },
            **reading(demo=demo),
        },
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
