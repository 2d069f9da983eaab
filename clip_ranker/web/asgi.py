"""What several middlewares use."""

import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clip_ranker.errors import RequestError

ABSOLUTE_FORM = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class OriginForm:
    """Takes request targets in absolute form too (RFC 9112, section 3.2.2): h11 leaves them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on, with the path alone as the target."""
        if scope["type"] == "http" and (start := ABSOLUTE_FORM.match(scope["path"])):
            path = scope["path"][start.end() :] or "/"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


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
