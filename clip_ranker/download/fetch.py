"""Guarded downloads of pictures from URLs that strangers send."""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial

import anyio
import httpcore
import httpx

from clip_ranker import metrics
from clip_ranker.download.asker import Asker
from clip_ranker.download.guard import GuardedBackend
from clip_ranker.download.resolver import Resolve, SystemResolver
from clip_ranker.download.slots import Slots
from clip_ranker.download.url_policy import Exceptions, UrlPolicy, host_of
from clip_ranker.errors import (
    CandidateError,
    DownloadFailedError,
    TimedOutError,
    TooLargeError,
    UrlBlockedError,
)
from clip_ranker.settings import Settings

REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})
KEEPALIVE_S = 30
BIG_BODY_BYTES = 1_000_000
BIG_BODIES = 8
"""So many bodies may be over ``BIG_BODY_BYTES`` at once; thumbnails never are."""
FEWEST_BYTES_A_CHUNK = 64
"""On average, once there are ``FREE_CHUNKS``: parsing costs by the chunk, the limit by the byte."""
FREE_CHUNKS = 256
HEADERS = {
    "Accept": "image/avif,image/webp,image/*;q=0.9,*/*;q=0.5",
    "Accept-Encoding": "identity",  # a compressed body could unfold to any size
    "User-Agent": "clip-ranker",
}


class _WorthRetryingError(Exception):
    """Wraps a failure that a second attempt may not see."""

    def __init__(self, failure: CandidateError) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Fetcher:
    """One pool of connections for the life of the process.

    Uses httpx's transport and leaves out its client, which keeps cookies, writes URLs to the log
    and builds the request of a redirect before anybody has looked at where it leads.

    Args:
        settings: limits of one download and of all of them at once.
        resolve: name look-up; the system's by default.
        tls: context for https; httpx's default, which reads SSL_CERT_FILE, otherwise.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        exceptions = Exceptions.parse(settings.allow_private_hosts)
        self._policy = UrlPolicy(exceptions, settings.allowed_hosts)
        self._slots = Slots(settings.max_downloads)
        self._big_bodies = Slots(BIG_BODIES)
        self._resolver = SystemResolver(threads=settings.max_downloads)
        tls = tls or httpx.create_ssl_context()
        self._transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False)
        # httpx has no public way to set the network backend of its connection pool.
        self._transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=None,  # the slots are the limit
            max_keepalive_connections=settings.max_downloads,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=GuardedBackend(exceptions, resolve or self._resolver),
        )

    @asynccontextmanager
    async def fetch(
        self,
        url: str,
        begun: Callable[[], None] = lambda: None,
        *,
        asker: Asker | None = None,
    ) -> AsyncIterator[bytes]:
        """Downloads, with one retry where a retry can help.

        Args:
            url: to download.
            begun: called when the download has its place.
            asker: for whom; places are shared out fairly among askers. By default, one more.

        Keeps its place among the downloads until the block ends: what waits to be decoded takes
        as much memory as what is still coming in.

        Raises:
            UrlBlockedError: the URL, or one it redirects to, is not downloaded from.
            DownloadFailedError: no usable answer.
            TimedOutError: no complete answer in time, twice, or the asker has given up on the host.
            TooLargeError: the body is over the limit.
        """
        checked = self._policy.check(url)
        body: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        scope = anyio.CancelScope()
        asker = asker or Asker()
        lease = asyncio.create_task(self._lease(checked, asker, body, scope, begun))
        try:
            yield await body
        finally:
            scope.cancel()
            del lease  # until here, or it might be collected with the download under way

    async def close(self) -> None:
        """Closes the connections."""
        self._resolver.close()
        await self._transport.aclose()

    async def _lease(
        self,
        url: httpx.URL,
        asker: Asker,
        body: asyncio.Future[bytes],
        scope: anyio.CancelScope,
        begun: Callable[[], None],
    ) -> None:
        """Downloads, and keeps the place until the scope is cancelled.

        In a task of its own, for httpcore cleans up behind anyio's shields, which asyncio's own
        cancellation breaks through: a connection would stay open for ever.
        """
        with scope:
            async with self._slots.hold(asker, host_of(url)), AsyncExitStack() as held:
                with metrics.DOWNLOADS_IN_FLIGHT.track_inprogress():
                    begun()
                    try:
                        done = await self._download(url, asker, held)
                    except Exception as error:  # noqa: BLE001 raised where the body is awaited
                        if not body.done():
                            body.set_exception(error)
                        return
                    if not body.done():
                        body.set_result(done)
                    await anyio.sleep_forever()

    async def _download(self, url: httpx.URL, asker: Asker, held: AsyncExitStack) -> bytes:
        if asker.gives_up_on(host_of(url)):
            raise TimedOutError("this host did not answer for other pictures of the list")
        try:
            return await self._attempt(url, asker, held)
        except _WorthRetryingError:
            await held.aclose()
        try:
            return await self._attempt(url, asker, held)
        except _WorthRetryingError as error:
            raise error.failure from error

    async def _attempt(self, url: httpx.URL, asker: Asker, held: AsyncExitStack) -> bytes:
        limit_s = self._settings.download_timeout_s
        try:
            with anyio.fail_after(limit_s) as deadline:
                grow = partial(self._grow, asker, host_of(url), held, deadline)
                body = await self._follow(url, grow)
        except TimeoutError as error:
            asker.silent(host_of(url))
            failure = TimedOutError(f"no complete answer within {limit_s:g} s")
            raise _WorthRetryingError(failure) from error
        except httpx.TransportError as error:
            raise _WorthRetryingError(DownloadFailedError(_explain(error))) from error
        asker.heard(host_of(url))
        return body

    async def _follow(self, url: httpx.URL, grow: Callable[[], Awaitable[None]]) -> bytes:
        for _ in range(self._settings.max_redirects + 1):
            request = httpx.Request("GET", url, headers=HEADERS)
            async with aclosing(await self._transport.handle_async_request(request)) as response:
                if response.status_code not in REDIRECTS:
                    return await self._body(response, grow)
            location = response.headers.get("location", "")
            if not location:
                raise DownloadFailedError(f"HTTP {response.status_code} without a Location")
            target = self._policy.check(location, base=url)
            if url.scheme == "https" and target.scheme == "http":
                raise UrlBlockedError("redirected from https to http")
            url = target
        raise DownloadFailedError(f"more than {self._settings.max_redirects} redirects")

    async def _body(self, response: httpx.Response, grow: Callable[[], Awaitable[None]]) -> bytes:
        status = response.status_code
        if status in RETRIED_STATUS:
            raise _WorthRetryingError(DownloadFailedError(f"HTTP {status}"))
        if status != httpx.codes.OK:
            raise DownloadFailedError(f"HTTP {status}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise DownloadFailedError("the answer is compressed although that was not asked for")
        limit = self._settings.max_download_bytes
        announced = response.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise TooLargeError(f"more than {limit} bytes")
        body, chunks, is_big = bytearray(), 0, False
        async for chunk in response.aiter_raw():
            body += chunk
            chunks += 1
            if len(body) > limit:
                raise TooLargeError(f"more than {limit} bytes")
            if chunks > FREE_CHUNKS and len(body) < chunks * FEWEST_BYTES_A_CHUNK:
                raise DownloadFailedError("the answer comes in crumbs")
            if len(body) > BIG_BODY_BYTES and not is_big:
                is_big = True
                await grow()
        return bytes(body)

    async def _grow(
        self, asker: Asker, host: str, held: AsyncExitStack, deadline: anyio.CancelScope
    ) -> None:
        """Waits for a place among the big bodies, which is not the server's fault."""
        left_s = deadline.deadline - anyio.current_time()
        deadline.deadline = math.inf
        await held.enter_async_context(self._big_bodies.hold(asker, host))
        deadline.deadline = anyio.current_time() + left_s


def _explain(error: httpx.TransportError) -> str:
    """A sentence without addresses: the texts of httpx and the system may name them."""
    if isinstance(error, httpx.ConnectError):
        return "could not connect"
    if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.CloseError)):
        return "the connection broke"
    return "the server does not speak proper HTTP"
