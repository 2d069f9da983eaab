"""Pages of other origins: which may call, and what the others are told."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from clip_ranker.errors import BadRequestError, ForbiddenError
from clip_ranker.web.asgi import error_response, is_post


class Origins:
    """Refuses what a page sends whose origin is not listed, without leaving it to the browser.

    A browser sends some requests without asking first, and only keeps the answer from the page.
    """

    def __init__(self, app: ASGIApp, listed: Sequence[str]) -> None:
        self._app = app
        self._listed = frozenset(listed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on, or answers 400 to a preflight and 403 to a request."""
        if scope["type"] == "http" and not self._may_call(headers := Headers(scope=scope)):
            said = "pages of this origin may not call: list it in CLIP_CORS_ORIGINS"
            if is_post(scope) and headers.get("sec-fetch-site") == "cross-site":
                await error_response(ForbiddenError(said))(scope, receive, send)
                return
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await error_response(BadRequestError(said))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _may_call(self, headers: Headers) -> bool:
        return "*" in self._listed or headers.get("origin") in self._listed
