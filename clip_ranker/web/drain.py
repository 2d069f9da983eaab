"""Finishing what is in flight before the service ends.

``bentoml serve`` cannot: on SIGTERM it stops the embedder under a /rank that needs it. So whoever
stops the service sends SIGUSR1 to the API process first; the container's entry point does.
"""

import asyncio
import os
import signal
from contextlib import suppress

from clip_ranker import entrypoint
from clip_ranker.errors import RequestError
from clip_ranker.web.asgi import App, Receive, Scope, Send, error_response, is_post
from clip_ranker.web.health import PATH as HEALTHZ

REFUSAL_READS_S = 5
"""An upload that is refused is read so long, else the answer is lost behind a reset."""


class DrainingError(RequestError):
    """The service is about to end; another one takes over."""

    status = 503
    retry_after_s = 10


class Drain:
    """Counts the requests that are work, and after SIGUSR1 ends the service behind the last.

    Until then new work and /healthz get a 503; what only reads, such as /metrics, goes on.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._in_flight = 0
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts, or refuses."""
        if scope["type"] == "lifespan":
            self._listen()
        work = is_post(scope)
        health = scope["type"] == "http" and scope["path"] == HEALTHZ
        if self._draining and (work or health):
            await _refuse(scope, receive, send)
        elif work:
            await self._counted(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1
            self._end_if_done()

    def _listen(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._drain)
        entrypoint.leave_pid()

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
