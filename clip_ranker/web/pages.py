"""What is only read: pages to try the service and to read its API, its models, its metrics."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from clip_ranker import examples
from clip_ranker.errors import MESSAGES_FILE
from clip_ranker.models.store import StoredModel
from clip_ranker.rank.models import told
from clip_ranker.web import openapi
from clip_ranker.web.asgi import ResponseHeaders

_HERE = Path(__file__).parent
_FILES = StaticFiles(directory=_HERE / "static")
_PAGES = StaticFiles(directory=_HERE / "html")  # apart: /static must not serve what is off
HEADERS = {
    # Nothing from elsewhere but pictures; nothing inline; no text ever becomes markup or script.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' https: http: data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Names carry no version, so a browser asks each time whether its copy is still good (304).
    "Cache-Control": "no-cache",
}


def pages(models: Sequence[StoredModel], *, demo: bool) -> Starlette:
    """An app to mount at ``/``; what it has no route for is left to the service.

    Args:
        models: that a request may choose from, the default first.
        demo: whether there is a page to try the service.
    """
    home = "demo" if demo else "docs"

    async def index(_: Request) -> Response:
        return RedirectResponse(home)  # relative, for a proxy that serves us under a path

    async def document(_: Request) -> Response:
        return JSONResponse(openapi.document(demo=demo))

    async def served(_: Request) -> Response:
        return JSONResponse(told(models).model_dump())

    routes: list[BaseRoute] = [
        Route("/", index),
        Route("/docs", _page("docs.html")),
        Route("/docs.json", document),
        Route("/models", served),
        Route("/metrics", _metrics),
        Route("/static/js/texts.js", _texts),
        Mount("/static", _FILES),
    ]
    if demo:
        routes += [
            Route("/demo", _page("demo.html")),
            Route("/examples.json", _examples),
            Route("/examples/{name}.jpg", _example),
        ]
    return Starlette(routes=routes, middleware=[Middleware(ResponseHeaders, headers=HEADERS)])


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        return await _PAGES.get_response(name, request.scope)

    return page


async def _texts(_: Request) -> Response:
    """What failures say, in every language, as a module of the pages."""
    text = f"export const TEXTS = {MESSAGES_FILE.read_text(encoding='utf-8')};"
    return Response(text, media_type="text/javascript")


def _metrics(_: Request) -> Response:
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _examples(_: Request) -> Response:
    return JSONResponse({"pictures": examples.all_names()})


async def _example(request: Request) -> Response:
    if (path := examples.path_of(request.path_params["name"])) is None:
        raise HTTPException(404)
    return FileResponse(path)
