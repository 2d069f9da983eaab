"""What stands between the network and the API: pure ASGI middlewares, one concern a module."""

from collections.abc import Callable
from typing import Any

from starlette.middleware.cors import CORSMiddleware

from clip_ranker.settings import Settings
from clip_ranker.web import logs
from clip_ranker.web.auth import ApiKey
from clip_ranker.web.body import Body
from clip_ranker.web.drain import Drain
from clip_ranker.web.errors import ErrorShape
from clip_ranker.web.health import Healthz
from clip_ranker.web.limits import MaxRequests
from clip_ranker.web.pages import pages
from clip_ranker.web.request_log import RequestLog
from clip_ranker.web.version import Version

EXPOSED_HEADERS = ("Retry-After", "Server-Timing", "X-Clip-Ranker-Version")


def install(service: Any, settings: Settings, *, well: Callable[[], bool]) -> None:
    """Puts the middlewares around a BentoML service, the outermost first.

    Args:
        service: what ``@bentoml.service`` made; its class has no public type.
        settings: limits, keys and origins.
        well: whether the service can embed.
    """
    logs.set_up()
    service.add_asgi_middleware(RequestLog)
    service.add_asgi_middleware(Version)
    service.add_asgi_middleware(ErrorShape)
    service.add_asgi_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type"),
        expose_headers=EXPOSED_HEADERS,
    )
    service.add_asgi_middleware(Drain)
    service.add_asgi_middleware(Healthz, well=well)
    service.add_asgi_middleware(ApiKey, keys=settings.api_key)
    service.add_asgi_middleware(
        Body,
        max_bytes=settings.max_body_bytes,
        max_total_bytes=settings.max_bodies_bytes,
        timeout_s=settings.upload_timeout_s,
    )
    # Behind the body: a client that only drips one in holds no place.
    service.add_asgi_middleware(MaxRequests, most=settings.max_requests)
    service.mount_asgi_app(pages(demo=settings.demo), path="/")
