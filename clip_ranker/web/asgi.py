"""The ASGI types, and small helpers all middlewares use."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from clip_ranker.errors import RequestError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def error_response(error: RequestError) -> JSONResponse:
    """The one shape of every error: a sentence, and one entry a fault."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(
        {"error": str(error), "detail": error.detail}, status_code=error.status, headers=headers
    )


def is_post(scope: Scope) -> bool:
    """True for a request that brings a body and asks for work."""
    return bool(scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"))
