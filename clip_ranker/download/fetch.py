"""Guarded downloads of pictures from URLs that strangers send."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from ssl import SSLContext

import anyio.lowlevel
import httpcore
import httpx

from clip_ranker.download import answer
from clip_ranker.download.answer import A_MOMENT_S, WorthRetryingError
from clip_ranker.download.attempt import CURRENT, Attempt
from clip_ranker.download.guard import GuardedBackend
from clip_ranker.download.hosts import Asker
from clip_ranker.download.request_headers import RequestHeaders
from clip_ranker.download.resolver import Resolve, SystemResolver
from clip_ranker.download.url_policy import Exceptions, UrlPolicy, host_of, is_address
from clip_ranker.errors import (
    DownloadFailedError,
    NotAnImageError,
    TimedOutError,
    TooLargeError,
    UrlBlockedError,
)
from clip_ranker.settings import Settings

REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEPALIVE_S = 30

Askers = Callable[[], Iterable[Asker]]
Grow = Callable[[], Awaitable[None]]


class Fetcher:
    """One pool of connections; how many download at once is the caller's business.

    Uses httpx's transport and leaves out its client, which keeps cookies, writes URLs to the log
    and builds the request of a redirect before anybody has looked at where it leads.

    Args:
        settings: limits of one download.
        resolve: name look-up; the system's by default.
        tls: context for https; httpx's default, which reads SSL_CERT_FILE, otherwise.
    """

    def __init__(
        self, settings: Settings, *, resolve: Resolve | None = None, tls: SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._headers = RequestHeaders(settings)
        exceptions = Exceptions.parse(settings.allow_private_hosts)
        self._policy = UrlPolicy(exceptions, settings.allowed_hosts)
        tls = tls or httpx.create_ssl_context()
        self._transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False)
        # httpx has no public way to set the network backend of its connection pool.
        self._transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=None,
            max_keepalive_connections=settings.max_downloads,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=GuardedBackend(exceptions, resolve or SystemResolver()),
        )

    def check(self, url: str) -> httpx.URL:
        """Parses a URL and judges it without a look-up; raises as ``UrlPolicy.check``."""
        return self._policy.check(url)

    async def fetch(
        self, url: httpx.URL, *, askers: Askers = tuple, grow: Grow = anyio.lowlevel.checkpoint
    ) -> bytes:
        """Downloads, with one retry where a retry can help.

        Args:
            url: as ``check`` answered it.
            askers: the opinions of all requests that want it at the moment of the call; where
                each of them gives up on the host there is no retry.
            grow: awaited, while the time of the download stands still, when the body passes
                ``answer.BIG_BODY_BYTES``; once an attempt, and never after the end of ``fetch``.

        Raises:
            UrlBlockedError: its host, or what it redirects to, is unknown, private or not allowed.
            DownloadFailedError: no usable answer.
            TimedOutError: no complete answer in time, twice.
            TooLargeError: the body is over the limit.
        """
        scope = anyio.CancelScope()

        async def download() -> bytes:
            with scope:
                return await self._try_twice(url, askers, grow)
            raise asyncio.CancelledError

        # In a task of its own, for httpcore cleans up behind anyio's shields, which asyncio's own
        # cancellation breaks through: a connection would stay open for ever.
        task = asyncio.create_task(download())
        try:
            await asyncio.wait({task})
            return task.result()
        finally:
            scope.cancel()
            while not task.done():
                with suppress(asyncio.CancelledError):  # one is on its way already
                    await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # counts as seen

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()

    async def _try_twice(self, url: httpx.URL, askers: Askers, grow: Grow) -> bytes:
        patience_ends = anyio.current_time() + self._settings.download_timeout_s
        try:
            return await self._attempt(url, askers, grow)
        except WorthRetryingError as error:
            # What is waited here is what the first attempt left of its time.
            too_long = error.after_s > max(A_MOMENT_S, patience_ends - anyio.current_time())
            asking = list(askers())
            if too_long or (asking and all(one.gives_up_on(host_of(url)) for one in asking)):
                raise error.failure from error
            await anyio.sleep(error.after_s)
        try:
            return await self._attempt(url, askers, grow)
        except WorthRetryingError as error:
            raise error.failure from error

    async def _attempt(self, url: httpx.URL, askers: Askers, grow: Grow) -> bytes:
        limit_s = self._settings.download_timeout_s
        try:
            with anyio.fail_after(limit_s) as deadline:
                attempt = Attempt(tuple(askers()) or (Asker(),), deadline)
                CURRENT.set(attempt)
                body = await self._follow(url, lambda: attempt.wait_outside(grow()))
        except TimeoutError as error:
            for asker in askers():
                asker.silent(host_of(url))
            failure = TimedOutError("no_answer_in_time", seconds=limit_s)
            raise WorthRetryingError(failure) from error
        except httpx.TransportError as error:
            raise WorthRetryingError(_explain(error)) from error
        except (DownloadFailedError, NotAnImageError, TooLargeError, WorthRetryingError):
            for asker in askers():
                asker.heard(host_of(url))
            raise
        for asker in askers():
            asker.heard(host_of(url))
        return body

    async def _follow(self, url: httpx.URL, grow: Grow) -> bytes:
        seen = [url]
        for _ in range(self._settings.max_redirects + 1):
            request = httpx.Request("GET", url, headers=self._headers.of(url))
            async with aclosing(await self._transport.handle_async_request(request)) as response:
                if response.status_code not in REDIRECTS:
                    return await answer.read(response, self._settings.max_download_bytes, grow)
            target = self._policy.check(answer.location(response), base=url)
            if url.scheme == "https" and target.scheme == "http":
                raise UrlBlockedError("redirect_to_http")
            if target in seen:
                raise _redirects("redirect_loop", target)
            seen.append(target)
            url = target
        most = self._settings.max_redirects
        raise _redirects("too_many_redirects", url, most=most)


def _redirects(code: str, url: httpx.URL, **params: int) -> DownloadFailedError:
    """The error, with the host unless it is an address: none may be told."""
    host = host_of(url)
    if is_address(host):
        return DownloadFailedError(code, **params)
    return DownloadFailedError(f"{code}_at", host=host, **params)


def _explain(error: httpx.TransportError) -> DownloadFailedError:
    """The error without addresses: the texts of httpx and the system may name them."""
    if isinstance(error, (httpx.ConnectError, httpx.PoolTimeout)):
        return DownloadFailedError("could_not_connect")
    if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.CloseError)):
        return DownloadFailedError("connection_broke")
    return DownloadFailedError("not_http")
