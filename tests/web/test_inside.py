"""What is hidden from those who come through a proxy."""

import pytest

from tests.running import Service

FORWARDED = {"X-Forwarded-For": "8.8.8.8"}
FOR_OPERATORS = ["/livez", "/metrics", "/readyz", "/schema.json"]


@pytest.mark.parametrize("path", FOR_OPERATORS)
def test_what_is_for_operators_is_there_inside_and_not_through_a_proxy(
    service: Service, path: str
) -> None:
    assert service.client.get(path).status_code == 200
    answer = service.client.get(path, headers=FORWARDED)
    assert answer.status_code == 404
    assert answer.json() == service.client.get("/nothing").json()


@pytest.mark.parametrize("path", ["/%6detrics", "/metrics?x=1"])
def test_no_other_spelling_gets_there(service: Service, path: str) -> None:
    inside, outside = (
        service.client.get(service.url + path, headers=headers) for headers in ({}, FORWARDED)
    )
    assert "clip_ranker_" in inside.text
    assert outside.status_code == 404


@pytest.mark.parametrize("path", ["//metrics", "/metrics/"])
def test_what_looks_like_it_leads_nowhere_from_inside_either(service: Service, path: str) -> None:
    for headers in ({}, FORWARDED):
        answer = service.client.get(service.url + path, headers=headers, follow_redirects=True)
        assert answer.status_code == 404


@pytest.mark.parametrize("forwarded", ["", "unknown"])
def test_the_header_alone_tells(service: Service, forwarded: str) -> None:
    headers = {"X-Forwarded-For": forwarded}
    assert service.client.get("/metrics", headers=headers).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/docs.json", "/demo"])
def test_all_else_stays(service: Service, path: str) -> None:
    assert service.client.get(path, headers=FORWARDED).status_code == 200
