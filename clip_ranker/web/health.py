"""``GET /healthz``: ``ok`` while the service can embed. Never queues behind real work."""

from collections.abc import Callable

from starlette.responses import PlainTextResponse

from clip_ranker.errors import EmbedderUnavailableError
from clip_ranker.web.asgi import App, Receive, Scope, Send, error_response

PATH = "/healthz"


class Healthz:
    """Answers before BentoML's own route of that path, which says a line feed.

    Args:
        app: everything else.
        well: whether the service can embed.
    """

    def __init__(self, app: App, well: Callable[[], bool]) -> None:
        self._app = app
        self._well = well

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers /healthz, hands the rest on."""
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if not reads or scope["path"] != PATH:
            await self._app(scope, receive, send)
        elif self._well():
            await PlainTextResponse("ok")(scope, receive, send)
        else:
            error = EmbedderUnavailableError("the model is starting, try again in a few seconds")
            await error_response(error)(scope, receive, send)
