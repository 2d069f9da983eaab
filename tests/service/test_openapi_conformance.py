"""What the service answers is what its own description says, for valid and for broken requests."""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from bentoml._internal.server.base_app import BaseAppFactory
from hypothesis import HealthCheck, given, settings
from pydantic import TypeAdapter
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clip_ranker.errors import NotFoundError, NotStoredError, RequestError
from clip_ranker.rank.events import AnswerEvent, FailedEvent, ScoredEvent
from clip_ranker.rank.feedback import FeedbackResponse
from clip_ranker.rank.prefetch import PrefetchResponse
from clip_ranker.rank.schema import RankResponse
from clip_ranker.web.openapi import ERROR_EXAMPLE, ErrorBody, document
from clip_ranker.web.pages import pages
from tests.running import Service

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def test_the_examples_are_what_they_show() -> None:
    def shown(path: str, status: str) -> Any:
        (media,) = document()["paths"][path]["post"]["responses"][status]["content"].values()
        return media["example"]

    RankResponse.model_validate(shown("/rank", "200"), strict=True)
    PrefetchResponse.model_validate(shown("/prefetch", "202"), strict=True)
    FeedbackResponse.model_validate(shown("/feedback", "200"), strict=True)
    ErrorBody.model_validate(ERROR_EXAMPLE, strict=True)
    event = TypeAdapter[object](ScoredEvent | FailedEvent | AnswerEvent)
    for line in shown("/rank/stream", "200").splitlines():
        event.validate_json(line, strict=True)


def test_every_status_the_service_refuses_with_is_described() -> None:
    kept = {str(kind.status) for kind in (NotFoundError, NotStoredError)}
    refusals = {str(kind.status) for kind in RequestError.__subclasses__()} - kept
    for path, item in document()["paths"].items():
        if "post" in item:
            described = {status for status in item["post"]["responses"] if status >= "400"}
            assert described == refusals | (kept if path == "/feedback" else set()), path


class OfBentoml(BaseAppFactory):
    """Knows the routes that BentoML adds to every service."""

    name = "any"


def test_every_path_that_answers_is_described(service: Service) -> None:
    described = set(document()["paths"])
    of_pages = {route.path for route in pages([], demo=True).routes}
    assert described == {path for path in of_pages if not path.startswith("/static")} | {
        *(api["route"] for api in service.client.get("/schema.json").json()["routes"]),
        *(route.path for route in OfBentoml().get_system_routes()),
        "/schema.json",
    }
    without = set(document(demo=False)["paths"])
    assert without == {path for path in described if not path.startswith(("/demo", "/examples"))}


def test_every_field_is_described() -> None:
    for name, schema in document()["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            assert "$ref" in described or described.get("description"), f"{name}.{field}"


OPERATIONS = [
    (path, method, mode)
    for path, methods in document()["paths"].items()
    for method in methods
    for mode in GenerationMode
    if mode.is_positive or method == "post"  # what takes no input cannot be asked wrongly
]


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
def test_answers_conform(
    path: str, method: str, mode: GenerationMode, serve: Callable[..., Service]
) -> None:
    schema = schemathesis.openapi.from_url(f"{serve().url}/docs.json")
    cases = schema[path][method.upper()].as_strategy(generation_mode=mode)

    @settings(
        max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(case=cases)
    def conforms(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    conforms()
