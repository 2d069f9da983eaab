"""What several middlewares use."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clip_ranker.errors import RequestError


class ResponseHeaders:
    """Puts the same headers on every answer."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands everything on, with the headers on what comes back."""

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, adding)


def error_response(error: RequestError) -> JSONResponse:
    """The one shape of every error: a sentence, and one entry a fault."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": str(error), "detail": error.detail}, error.status, headers)


def is_post(scope: Scope) -> bool:
    """True for a request that brings a body and asks for work."""
    return scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS")
