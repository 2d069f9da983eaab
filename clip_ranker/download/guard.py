"""Lets downloads reach public addresses only, checked where the connection is made.

A name is resolved once, every answer is checked, and the connection goes to a literal that was
checked: there is no second look-up that could answer something else. Host header, TLS server
name, redirects and pooling stay httpx's own.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

import httpcore

from clip_ranker.download.addresses import IPAddress
from clip_ranker.download.dead_hosts import DeadHosts
from clip_ranker.download.resolver import Resolve
from clip_ranker.download.url_policy import BLOCKED_ADDRESS, Exceptions
from clip_ranker.errors import UrlBlockedError

CONNECT_TIMEOUT_S = 1.0
"""For all addresses of a name but the last, or one without a route would eat the deadline."""
MAX_STATUS_LINES = 64
"""In one answer; servers send one, rarely two. A few MB of interim answers block for seconds."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks and connects.

    Args:
        exceptions: hosts and networks that may be private.
        resolve: name look-up.
    """

    def __init__(self, exceptions: Exceptions, resolve: Resolve) -> None:
        self._exceptions = exceptions
        self._resolve = resolve
        self._backend = httpcore.AnyIOBackend()
        self._dead_hosts = DeadHosts()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connects to the first address that answers, if all of them are public.

        Raises:
            UrlBlockedError: there is no such name, or one of its addresses is not public.
            httpcore.ConnectError: none of them accepts a connection, or did a moment ago.
        """
        async with self._dead_hosts.connecting(host, port):
            return await self._connect(host, port, timeout, local_address, socket_options)

    async def _connect(
        self,
        host: str,
        port: int,
        timeout: float | None,  # noqa: ASYNC109 passed on
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._addresses(host, port)
        refused: Exception | None = None
        for address in addresses:
            if address != addresses[-1]:
                timeout = CONNECT_TIMEOUT_S
            try:
                stream = await self._backend.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
            else:
                return GuardedStream(stream)
        raise refused or UrlBlockedError(BLOCKED_ADDRESS)

    async def _addresses(self, host: str, port: int) -> Sequence[IPAddress]:
        host = host.lower().removesuffix(".")
        try:
            addresses = [ip_address(host)]
        except ValueError:
            addresses = [ip_address(literal) for literal in await self._resolve(host, port)]
        if not self._exceptions.admit_name(host, port):
            for address in addresses:
                if not self._exceptions.admit_address(address):
                    raise UrlBlockedError(BLOCKED_ADDRESS)
        return addresses

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 the signature is httpcore's
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never.

        Raises:
            UrlBlockedError: always.
        """
        raise UrlBlockedError(BLOCKED_ADDRESS)

    async def sleep(self, seconds: float) -> None:
        """Waits, as httpcore asks for between its own retries."""
        await asyncio.sleep(seconds)


class GuardedStream(httpcore.AsyncNetworkStream):
    """A connection to a server that may be hostile.

    Args:
        stream: does the work.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._status_lines = 0

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 the signature is httpcore's
    ) -> bytes:
        """Reads.

        Raises:
            httpcore.RemoteProtocolError: interim answers (1xx) without end.
        """
        data = await self._stream.read(max_bytes, timeout)
        self._status_lines += data.count(b"HTTP/")
        if self._status_lines > MAX_STATUS_LINES:
            raise httpcore.RemoteProtocolError("interim answers without end")
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 the signature is httpcore's
    ) -> None:
        """Writes; begins a new request."""
        self._status_lines = 0
        await self._stream.write(buffer, timeout)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        """Shakes hands; closes the connection when that is given up, which httpcore does not."""
        try:
            return GuardedStream(
                await self._stream.start_tls(ssl_context, server_hostname, timeout)
            )
        except BaseException:
            await self._stream.aclose()
            raise

    async def aclose(self) -> None:
        """Closes."""
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about the socket."""
        return self._stream.get_extra_info(info)
