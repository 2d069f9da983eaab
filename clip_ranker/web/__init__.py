"""What stands between the network and the API: pure ASGI middlewares, one concern a module."""

from collections.abc import Callable, Sequence
from typing import Any

from starlette.middleware.cors import CORSMiddleware

from clip_ranker import __version__
from clip_ranker.models.store import StoredModel
from clip_ranker.settings import Settings
from clip_ranker.web import logs
from clip_ranker.web.asgi import OriginForm, ResponseHeaders
from clip_ranker.web.auth import ApiKey
from clip_ranker.web.body import Body
from clip_ranker.web.drain import Drain
from clip_ranker.web.errors import ErrorShape
from clip_ranker.web.inside import Inside
from clip_ranker.web.origins import Origins
from clip_ranker.web.pages import pages
from clip_ranker.web.request_log import RequestLog

VERSION_HEADER = "X-Clip-Ranker-Version"


def install(
    service: Any, settings: Settings, models: Sequence[StoredModel], *, well: Callable[[], bool]
) -> None:
    """Puts the middlewares around a BentoML service, the outermost first.

    Args:
        service: what ``@bentoml.service`` made; its class has no public type.
        settings: limits, keys and origins.
        models: that a request may choose from, the default first.
        well: whether the service can embed.
    """
    logs.set_up()
    service.add_asgi_middleware(OriginForm)
    service.add_asgi_middleware(RequestLog)
    service.add_asgi_middleware(ResponseHeaders, headers={VERSION_HEADER: __version__})
    service.add_asgi_middleware(ErrorShape)
    service.add_asgi_middleware(Inside)
    service.add_asgi_middleware(Origins, listed=settings.cors_origins)
    service.add_asgi_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type"),
        expose_headers=("Retry-After", "Server-Timing", VERSION_HEADER),
    )
    service.add_asgi_middleware(Drain, well=well)
    service.add_asgi_middleware(ApiKey, keys=settings.api_key)
    if settings.rate_limit:
        from clip_ranker.web.rate_limit import RateLimit  # a quarter of a second

        service.add_asgi_middleware(RateLimit, settings=settings)
    service.add_asgi_middleware(Body, settings=settings)
    service.mount_asgi_app(pages(models, demo=settings.demo), path="/")
