"""Says on every answer which version of the service gave it."""

from starlette.datastructures import MutableHeaders

from clip_ranker import __version__
from clip_ranker.web.asgi import App, Message, Receive, Scope, Send

HEADER = "X-Clip-Ranker-Version"


class Version:
    """Adds the header to every HTTP answer."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands everything on, with the header on what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def stamping(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = __version__
            await send(message)

        await self._app(scope, receive, stamping)
