# ruff: noqa: ASYNC109  the time-outs are httpcore's
"""Lets downloads reach public addresses only, checked where the connection is made.

A name is resolved once, every answer is checked, and the connection goes to a literal that was
checked: there is no second look-up that could answer something else. Host header, TLS server
name, redirects and pooling stay httpx's own.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any

import httpcore

from clip_ranker.download.addresses import IPAddress
from clip_ranker.download.happy_eyeballs import first_to_connect
from clip_ranker.download.hosts import CircuitBreaker
from clip_ranker.download.resolver import Resolve
from clip_ranker.download.url_policy import Exceptions
from clip_ranker.download.urls import BLOCKED_ADDRESS
from clip_ranker.errors import UrlBlockedError

MAX_STATUS_LINES = 64
"""In one answer; servers send one, rarely two. A few MB of interim answers block for seconds."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks and connects."""

    def __init__(self, exceptions: Exceptions, resolve: Resolve) -> None:
        self._exceptions = exceptions
        self._resolve = resolve
        self._backend = httpcore.AnyIOBackend()
        self._breaker = CircuitBreaker()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connects to the first address that answers, if all of them are public.

        Raises:
            UrlBlockedError: there is no such name, or one of its addresses is not public.
            httpcore.ConnectError: none of them accepts a connection, or did a moment ago.
        """

        async def connect(address: IPAddress) -> httpcore.AsyncNetworkStream:
            return await self._backend.connect_tcp(
                str(address), port, timeout, local_address, socket_options
            )

        async with self._breaker.connecting(host, port) as looked_up:
            addresses = await self._addresses(host, port)
            await looked_up()
            return _GuardedStream(await first_to_connect(addresses, connect))

    async def _addresses(self, host: str, port: int) -> Sequence[IPAddress]:
        host = host.lower().removesuffix(".")
        try:
            addresses = [ip_address(host)]
        except ValueError:
            addresses = [ip_address(literal) for literal in await self._resolve(host, port)]
        admitted = self._exceptions.admit_name(host, port) or all(
            self._exceptions.admit_address(address) for address in addresses
        )
        if not addresses or not admitted:
            raise UrlBlockedError(BLOCKED_ADDRESS)
        return addresses


class _GuardedStream(httpcore.AsyncNetworkStream):
    """A connection to a server that may be hostile."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._status_lines = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        self._status_lines += data.count(b"HTTP/")
        if self._status_lines > MAX_STATUS_LINES:
            raise httpcore.RemoteProtocolError("interim answers without end")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._status_lines = 0  # a new request
        await self._stream.write(buffer, timeout)

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            secure = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:  # httpcore leaves it open when the handshake is given up
            await self._stream.aclose()
            raise
        return _GuardedStream(secure)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
