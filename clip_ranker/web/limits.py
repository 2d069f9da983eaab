"""How many requests the process takes at once."""

from clip_ranker.errors import BusyError
from clip_ranker.web.asgi import App, Receive, Scope, Send, error_response, is_post


class MaxRequests:
    """Answers 429 when ``most`` POSTs are under way; everything else passes."""

    def __init__(self, app: App, most: int) -> None:
        self._app = app
        self._most = most
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts the request in once its body is here, for as long as it runs."""
        if not is_post(scope):
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._most:
            error = BusyError(f"{self._most} requests are under way, try again in a moment")
            await error_response(error)(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
