"""Pages of other origins: which may call, and what the others are told."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from clip_ranker.errors import ForbiddenError
from clip_ranker.web.asgi import error_response, is_post


class Origins:
    """Refuses what a page sends whose origin is not listed, without leaving it to the browser.

    A browser sends some requests without asking first, and only keeps the answer from the page.
    """

    def __init__(self, app: ASGIApp, listed: Sequence[str]) -> None:
        self._app = app
        self._listed = frozenset(listed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on, or answers 403."""
        if is_post(scope) and self._is_of_another(Headers(scope=scope)):
            error = ForbiddenError("this origin may not call: list it in CLIP_CORS_ORIGINS")
            await error_response(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_of_another(self, headers: Headers) -> bool:
        listed = "*" in self._listed or headers.get("origin") in self._listed
        return headers.get("sec-fetch-site") == "cross-site" and not listed
