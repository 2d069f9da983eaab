"""The part of the OpenAPI document about what is only read: health, metrics, documents, pages."""

from typing import Any

from clip_ranker import examples
from clip_ranker.web.openapi_shapes import VERSION, answer, error, text

STARTING = "The model is starting, or the service is about to stop."


def reading(*, demo: bool) -> dict[str, Any]:
    """Paths that are asked with GET and need no key.

    Args:
        demo: whether there is a page to try the service.
    """
    paths = {
        "/healthz": _get(
            "health",
            "operation",
            "Whether the service can embed",
            "Needs no key, and never waits behind real work.",
            {"200": text("It can; the body is `ok`.", const="ok"), "503": error(503, STARTING)},
        ),
        "/livez": _get(
            "alive",
            "operation",
            "Whether the API process answers",
            "BentoML's; it says nothing about the model. `/healthz` does.",
            {"200": text("It does; the body is a line feed.")},
        ),
        "/readyz": _get(
            "ready",
            "operation",
            "Whether the embedder's process answers",
            "BentoML's; it embeds nothing. `/healthz` tells more.",
            {"200": text("It does; the body is a line feed."), "503": error(503, STARTING)},
        ),
        "/metrics": _get(
            "metrics",
            "operation",
            "Metrics for Prometheus",
            "Ours begin with `clip_ranker_`, the rest is BentoML's and Python's.",
            {"200": text("Metrics in Prometheus' text format.")},
        ),
        "/docs.json": _get(
            "document",
            "document",
            "This document",
            "OpenAPI 3.1.",
            {"200": _object("The document.")},
        ),
        "/schema.json": _get(
            "schema",
            "document",
            "BentoML's own description of the service",
            "For BentoML's clients; it knows none of the errors.",
            {"200": _object("The description.")},
        ),
        "/docs": _page("docs", "A page that shows this document and tries it"),
        "/": _get(
            "home",
            "page",
            "Leads to a page",
            "To `/demo`, or to `/docs` where that is turned off.",
            {
                "307": {
                    "description": "The page is there.",
                    "headers": VERSION
                    | {"Location": {"description": "Where.", "schema": {"type": "string"}}},
                }
            },
        ),
    }
    return paths | (_DEMO if demo else {})


def _get(
    name: str, tag: str, summary: str, description: str, responses: dict[str, Any]
) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "tags": [tag],
            "summary": summary,
            "description": description,
            "responses": responses,
        }
    }


def _page(name: str, summary: str) -> dict[str, Any]:
    html = answer("The page.", "text/html", {"schema": {"type": "string"}})
    return _get(name, "page", summary, "For people; its files are under `/static`.", {"200": html})


def _object(description: str) -> dict[str, Any]:
    return answer(description, "application/json", {"schema": {"type": "object"}})


_EXAMPLES = examples.names()
_EXAMPLE = _get(
    "example",
    "page",
    "An example picture",
    "What `example:<name>` stands for as a URL.",
    {
        "200": answer("A JPEG.", "image/jpeg", {}),
        "404": error(404, "There is no such picture."),
    },
)
_EXAMPLE["get"]["parameters"] = [
    {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "One of those that `/examples.json` lists.",
        "schema": {"type": "string", "enum": _EXAMPLES},
        "example": _EXAMPLES[0],
    }
]
_NAMES = {
    "type": "object",
    "required": ["pictures"],
    "properties": {
        "pictures": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Names, for `example:<name>`.",
        }
    },
}
_DEMO = {
    "/demo": _page("demo", "A page to try the service"),
    "/examples.json": _get(
        "examples",
        "page",
        "Names of the example pictures",
        "They ship with the service and need no network.",
        {"200": answer("The names.", "application/json", {"schema": _NAMES})},
    ),
    "/examples/{name}.jpg": _EXAMPLE,
}
