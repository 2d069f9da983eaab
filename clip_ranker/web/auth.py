"""The optional key: when set, every POST has to bring it."""

import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from clip_ranker.errors import UnauthorisedError
from clip_ranker.web.asgi import error_response, is_post


class ApiKey:
    """Wants ``Authorization: Bearer`` and any of the keys, where there are some."""

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on, or answers 401."""
        if not self._keys or not is_post(scope) or self._brings_key(scope):
            await self._app(scope, receive, send)
            return
        error = UnauthorisedError("send the key as a header: Authorization: Bearer <key>")
        await error_response(error)(scope, receive, send)

    def _brings_key(self, scope: Scope) -> bool:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        # Every key is compared, each in constant time: the time tells nothing about any of them.
        matches = [hmac.compare_digest(given.strip().encode("latin-1"), key) for key in self._keys]
        return scheme.lower() == "bearer" and any(matches)
