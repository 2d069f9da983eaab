"""What is for the network that the service stands in, and not for the world."""

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

PATHS = frozenset({"/livez", "/metrics", "/readyz", "/schema.json"})


class Inside:
    """Hides these paths from requests that a proxy handed on.

    A proxy says for whom it asks in ``X-Forwarded-For``. Caddy always does, and its client cannot
    keep it from doing so; whoever adds the header from inside hides the paths from himself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on, or answers 404 as for a path that is not there."""
        closed = scope["type"] == "http" and scope["path"] in PATHS
        if closed and "x-forwarded-for" in Headers(scope=scope):
            await Response(status_code=404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
