"""The ASGI types, and small helpers all middlewares use."""

from collections.abc import Awaitable, Callable, MutableMapping
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
    return JSONResponse(
        {"error": str(error), "detail": error.detail}, status_code=error.status, headers=headers
    )
