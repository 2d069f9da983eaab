"""How many requests each client may send in a time; counted in Redis where there is one."""

import asyncio
import math
import time

from limits import parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from clip_ranker import metrics
from clip_ranker.errors import RateLimitError
from clip_ranker.settings import Settings
from clip_ranker.web.asgi import error_response, is_post
from clip_ranker.web.client import Client, client_of

PREFIX = "clip-ranker-limit"
"""Of keys in Redis."""
LEFT_ALONE_S = 5.0
"""After a failure, before Redis is asked again."""


class RateLimit:
    """Answers 429 to POSTs over ``CLIP_RATE_LIMIT``.

    Counts here while Redis is away or slow: then each replica has the limit to itself.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._limit = parse(settings.rate_limit)
        self._timeout_s = settings.cache_timeout_s
        self._here, self._counted_at = MovingWindowRateLimiter(MemoryStorage()), 0.0
        self._shared = None
        self._left_alone_until = 0.0
        if settings.cache_url:
            redis = RedisStorage(
                settings.cache_url,
                implementation="redispy",
                key_prefix=PREFIX,
            )
            self._shared = MovingWindowRateLimiter(redis)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on, or refuses."""
        if is_post(scope) and (wait_s := await self.wait_s(client_of(scope))):
            error = RateLimitError(f"more than {self._limit} from here, send fewer", wait_s)
            await error_response(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def wait_s(self, client: Client) -> int:
        """Seconds until the client may send again, 0 if it may now."""
        if self._shared is not None and time.monotonic() >= self._left_alone_until:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._hit(self._shared, client)
            except Exception:  # noqa: BLE001 whatever it answers, it is away
                self._left_alone_until = time.monotonic() + LEFT_ALONE_S
                metrics.CACHE_BACKEND_ERRORS.inc()
        if time.time() < self._counted_at:  # put back: what was counted is still to come
            self._here = MovingWindowRateLimiter(MemoryStorage())
        self._counted_at = time.time()
        return await self._hit(self._here, client)

    async def _hit(self, limiter: MovingWindowRateLimiter, client: Client) -> int:
        if await limiter.hit(self._limit, *client):
            return 0
        window = await limiter.get_window_stats(self._limit, *client)
        wait_s = math.ceil(window.reset_time - time.time())
        return min(max(1, wait_s), self._limit.get_expiry())
