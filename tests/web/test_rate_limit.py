"""The limit of requests for each client, against a running service."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette

from clip_ranker.settings import Settings
from clip_ranker.web.client import Client
from clip_ranker.web.rate_limit import RateLimit
from tests.running import Service

REQUEST = {"query_image_url": "example:cat", "candidates": []}


def ask(service: Service, client: str, path: str = "/rank") -> httpx.Response:
    body = REQUEST if path == "/rank" else {"candidates": []}
    return service.client.post(path, json=body, headers={"X-Forwarded-For": client})


def test_each_client_has_its_own_limit(serve: Callable[..., Service]) -> None:
    service = serve(CLIP_RATE_LIMIT="3/hour")
    for path in ("/rank", "/prefetch", "/rank"):
        assert ask(service, "203.0.113.1", path).is_success
    refused = ask(service, "203.0.113.1")
    assert refused.status_code == 429
    assert "3 per 1 hour" in refused.json()["error"]
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert ask(service, "203.0.113.2").is_success
    assert service.client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.1"}).is_success


def test_a_redis_that_is_away_leaves_each_replica_its_own_count(
    serve: Callable[..., Service],
) -> None:
    service = serve(CLIP_RATE_LIMIT="2/hour", CLIP_CACHE_URL="redis://127.0.0.1:1/0")
    statuses = [ask(service, "203.0.113.1").status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]


def test_a_limit_that_is_none_is_refused_at_the_start() -> None:
    for limit in ("60", "often", "/minute", "60/fortnight"):
        with pytest.raises(ValidationError, match="60/minute"):
            Settings(rate_limit=limit)
    assert Settings(rate_limit="60 per minute").rate_limit


def test_a_clock_that_is_put_back_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1e9]
    monkeypatch.setattr("time.time", lambda: now[0])

    async def scenario() -> None:
        limit = RateLimit(Starlette(), Settings(rate_limit="2/minute"))
        client = Client("", "203.0.113.1")
        assert [await limit.wait_s(client) > 0 for _ in range(3)] == [False, False, True]
        now[0] -= 3600
        assert [await limit.wait_s(client) > 0 for _ in range(3)] == [False, False, True]

    asyncio.run(scenario())


@pytest.mark.parametrize("answer", [ValueError, RecursionError, ConnectionError, TypeError])
def test_a_redis_that_answers_garbage_is_away(
    answer: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def garbage(*_: object) -> bool:
        raise answer

    async def scenario() -> None:
        settings = Settings(rate_limit="1/hour", cache_url="redis://127.0.0.1:1/0")
        limit = RateLimit(Starlette(), settings)
        monkeypatch.setattr(limit._shared, "hit", garbage)
        waits = [await limit.wait_s(Client("", "203.0.113.1")) for _ in range(2)]
        assert waits[0] == 0 < waits[1]

    asyncio.run(scenario())
