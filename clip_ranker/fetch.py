"""Guarded downloads of pictures from URLs that strangers send."""

import asyncio
import ssl

import httpcore
import httpx

from clip_ranker.errors import (
    CandidateError,
    DownloadFailedError,
    TimedOutError,
    TooLargeError,
    UrlBlockedError,
)
from clip_ranker.guard import Exceptions, GuardedBackend, Resolve, UrlPolicy
from clip_ranker.settings import Settings

RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})
KEEPALIVE_S = 30
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
    """One client for the life of the process.

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
        self._slots = asyncio.Semaphore(settings.max_downloads)
        tls = tls or httpx.create_ssl_context()
        transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False)
        # httpx has no public way to set the network backend of its connection pool.
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=settings.max_downloads,
            max_keepalive_connections=settings.max_downloads,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=GuardedBackend(exceptions, resolve),
        )
        self._client = httpx.AsyncClient(
            transport=transport, headers=HEADERS, timeout=None, trust_env=False
        )

    async def fetch(self, url: str) -> bytes:
        """Downloads, with one retry where a retry can help.

        Raises:
            UrlBlockedError: the URL, or one it redirects to, is not downloaded from.
            DownloadFailedError: no usable answer.
            TimedOutError: no complete answer in time, twice.
            TooLargeError: the body is over the limit.
        """
        checked = self._policy.check(url)
        async with self._slots:
            try:
                return await self._attempt(checked)
            except _WorthRetryingError:
                pass
            try:
                return await self._attempt(checked)
            except _WorthRetryingError as error:
                raise error.failure from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _attempt(self, url: httpx.URL) -> bytes:
        limit_s = self._settings.download_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._follow(url)
        except TimeoutError as error:
            failure = TimedOutError(f"no complete answer within {limit_s:g} s")
            raise _WorthRetryingError(failure) from error
        except httpx.TransportError as error:
            raise _WorthRetryingError(DownloadFailedError(_explain(error))) from error
        except httpx.HTTPError as error:
            raise DownloadFailedError(_explain(error)) from error
        except (httpx.InvalidURL, ValueError, ExceptionGroup) as error:
            raise UrlBlockedError("this is not a URL that can be asked") from error

    async def _follow(self, url: httpx.URL) -> bytes:
        for _ in range(self._settings.max_redirects + 1):
            async with self._client.stream("GET", url) as response:
                if not response.is_redirect:
                    return await self._body(response)
                location = response.headers.get("location")
                if not location or response.next_request is None:
                    raise DownloadFailedError(f"HTTP {response.status_code} without a Location")
                target = self._policy.check(response.next_request.url)
            if url.scheme == "https" and target.scheme == "http":
                raise UrlBlockedError("redirected from https to http")
            url = target
        raise DownloadFailedError(f"more than {self._settings.max_redirects} redirects")

    async def _body(self, response: httpx.Response) -> bytes:
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
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                raise TooLargeError(f"more than {limit} bytes")
        return bytes(body)


def _explain(error: httpx.HTTPError) -> str:
    """A sentence without addresses: the texts of httpx and the system may name them."""
    if isinstance(error, httpx.ConnectError):
        return "could not connect"
    if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.CloseError)):
        return "the connection broke"
    return "the server does not speak proper HTTP"
