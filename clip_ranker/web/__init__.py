"""What stands between the network and the API: pure ASGI middlewares, one concern a module."""

from collections.abc import Callable
from typing import Any

from clip_ranker.web.errors import ErrorShape
from clip_ranker.web.health import Healthz


def install(service: Any, *, well: Callable[[], bool]) -> None:
    """Puts the middlewares around a BentoML service, the outermost first.

    Args:
        service: what ``@bentoml.service`` made; its class has no public type.
        well: whether the service can embed.
    """
    service.add_asgi_middleware(ErrorShape)
    service.add_asgi_middleware(Healthz, well=well)
