"""``/healthz``, and finishing what is in flight before the service ends.

``bentoml serve`` stops the embedder on SIGTERM under a /rank that needs it. So whoever stops the
service sends SIGUSR1 to the API process first; the container's entry point does.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from clip_ranker import entrypoint
from clip_ranker.errors import EmbedderUnavailableError, RequestError
from clip_ranker.web.asgi import error_response, is_post

HEALTH = (("GET", "/healthz"), ("HEAD", "/healthz"))
REFUSAL_READS_S = 5
"""An upload that is refused is read so long, else the answer is lost behind a reset."""


class DrainingError(RequestError):
    """The service is about to end; another one takes over."""

    status = 503
    retry_after_s = 10


class Drain:
    """Counts the requests that are work, and after SIGUSR1 ends the service behind the last.

    Until then new work and /healthz get a 503; what only reads, such as /metrics, goes on.
    Answers /healthz before BentoML's own route of that path, which says a line feed.

    Args:
        app: everything else.
        well: whether the service can embed.
    """

    def __init__(self, app: ASGIApp, well: Callable[[], bool]) -> None:
        self._app = app
        self._well = well
        self._in_flight = 0
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts, answers /healthz, or refuses."""
        if scope["type"] == "lifespan":
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._drain)
            entrypoint.leave_pid()
        work = is_post(scope)
        if not work and (scope.get("method"), scope.get("path")) not in HEALTH:
            await self._app(scope, receive, send)
        elif self._draining:
            await _refuse(scope, receive, send)
        elif work:
            await self._counted(scope, receive, send)
        elif self._well():
            await PlainTextResponse("ok")(scope, receive, send)
        else:
            error = EmbedderUnavailableError("the model is starting, try again in a few seconds")
            await error_response(error)(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1
            self._end_if_done()

    def _drain(self) -> None:
        self._draining = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._draining and not self._in_flight:
            os.kill(os.getppid(), signal.SIGTERM)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(REFUSAL_READS_S):
            while (await receive()).get("more_body", False):
                pass
    stopping = DrainingError("the service is stopping, try again in a few seconds")
    await error_response(stopping)(scope, receive, send)
