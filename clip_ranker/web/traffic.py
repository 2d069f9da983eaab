"""Replaces two middlewares of BentoML's that grow with the requests that strangers send."""

from collections.abc import Collection
from typing import Any

from bentoml._internal.server.http import instruments
from bentoml._internal.server.http import traffic as limits

from clip_ranker.web.asgi import App, Receive, Scope, Send

NAME = "RunnerTrafficMetricsMiddleware"
OTHER = "/other"
REAL_PATH = "clip_ranker.path"


def leave_no_timers() -> None:
    """Takes BentoML's time-out away; every request has limits of ours.

    It starts a timer a request and never stops it: 5 KB each, even of /healthz, for as long as the
    longest request may take.
    """
    limits.TimeoutMiddleware = _Untimed  # type: ignore[assignment, misc]


def label_known_paths_only(known: Collection[str]) -> None:
    """Counts every other path under ``/other``.

    BentoML keeps a histogram a path for ever, on disk and in memory, and that middleware stands
    outside all of ours: a few thousand requests for made-up paths would fill a container's tmpfs.
    """
    original: type[Any] = getattr(instruments, NAME)

    class KnownPaths(original):  # type: ignore[misc]
        def __init__(self, app: App, **options: Any) -> None:
            super().__init__(_RealPath(app), **options)

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            path = scope.get("path")
            if path is not None and path not in known:
                scope = {**scope, "path": OTHER, REAL_PATH: path}
            await super().__call__(scope, receive, send)

    setattr(instruments, NAME, KnownPaths)


class _RealPath:
    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if REAL_PATH in scope:
            scope = {**scope, "path": scope[REAL_PATH]}
        await self._app(scope, receive, send)


class _Untimed:
    def __init__(self, app: App, timeout: float) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
