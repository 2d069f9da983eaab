"""One line of JSON a request: how it ended, and what whoever worked on it has to tell."""

import json
import logging
import time
from contextvars import ContextVar
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clip_ranker.web.asgi import is_post

logger = logging.getLogger(__name__)

MOST_CHARS = 200
"""Of a text that a stranger may have had a say in."""
_line: ContextVar[dict[str, Any]] = ContextVar("line")


def tell(**facts: Any) -> None:
    """Adds to the line of the request that is being answered."""
    _line.get({}).update(facts)


class RequestLog:
    """Writes the line when the answer has ended.

    Successful reading, such as of /healthz every few seconds, has none. There is neither
    a query string nor a header in it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        line: dict[str, Any] = {"method": scope["method"], "path": scope["path"], "status": 0}
        _line.set(line)
        written = False

        def end() -> None:
            nonlocal written
            if not written and (is_post(scope) or line["status"] >= 400):
                line["total_ms"] = round((time.perf_counter() - began) * 1000)
                for key, value in line.items():
                    line[key] = value[:MOST_CHARS] if isinstance(value, str) else value
                # JSON escapes what a path could forge lines with.
                logger.info(json.dumps(line, separators=(",", ":")))
            written = True

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                line["status"] = message["status"]
            elif not message.get("more_body", False):
                end()  # before the client has it all: what it asks next comes later in the log
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            end()
