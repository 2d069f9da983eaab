"""Lets downloads reach public addresses only, checked where the connection is made.

A name is resolved once, every answer is checked, and the connection goes to a literal that was
checked: there is no second look-up that could answer something else. Host header, TLS server
name, redirects and pooling stay httpx's own.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import httpcore
import httpx

from clip_ranker.addresses import IPAddress, IPNetwork, is_public
from clip_ranker.errors import DownloadFailedError, UrlBlockedError

MAX_URL_CHARS = 8192
WEB_PORTS = {"http": 80, "https": 443}
BLOCKED_ADDRESS = "this address is not on the public internet"
"""The one text for every blocked address, so that answers do not map the private network."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP literals."""


@dataclass(frozen=True)
class Exceptions:
    """What an operator admits although it is private (``CLIP_ALLOW_PRIVATE_HOSTS``)."""

    hosts: frozenset[str] = frozenset()
    host_ports: frozenset[tuple[str, int]] = frozenset()
    networks: tuple[IPNetwork, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "Exceptions":
        """Reads ``host``, ``host:port``, an address or a network.

        Raises:
            ValueError: an entry is none of these; the text names it.
        """
        hosts, host_ports, networks = set(), set(), []
        for entry in entries:
            try:
                networks.append(ip_network(entry))
                continue
            except ValueError:
                pass
            host, colon, port = entry.rpartition(":")
            if not colon:
                hosts.add(entry.lower())
            elif host and port.isdecimal() and 0 < int(port) < 65536:
                host_ports.add((host.strip("[]").lower(), int(port)))
            else:
                raise ValueError(f"'{entry}' is not a host, host:port, address or network")
        return cls(frozenset(hosts), frozenset(host_ports), tuple(networks))

    def admit_name(self, host: str, port: int) -> bool:
        """True when this name may have private addresses."""
        return host in self.hosts or (host, port) in self.host_ports

    def admit_port(self, host: str, port: int) -> bool:
        """True when this name may be asked on a port other than 80 and 443."""
        return (host, port) in self.host_ports

    def admit_address(self, address: IPAddress) -> bool:
        """True when this private address is fine for any name."""
        return any(address in network for network in self.networks)


class UrlPolicy:
    """What can be told from the URL alone.

    Args:
        exceptions: hosts that may be private.
        allowed_hosts: patterns, ``example.com`` or ``*.example.com``; empty allows any.
    """

    def __init__(self, exceptions: Exceptions, allowed_hosts: Sequence[str] = ()) -> None:
        self._exceptions = exceptions
        self._allowed_hosts = tuple(pattern.lower() for pattern in allowed_hosts)

    def check(self, url: str | httpx.URL) -> httpx.URL:
        """Parses and checks.

        Raises:
            UrlBlockedError: malformed, or not a URL this service downloads from.
        """
        parsed = _parse(url)
        if parsed.scheme not in WEB_PORTS:
            raise UrlBlockedError("only http and https URLs are downloaded")
        if parsed.userinfo:
            raise UrlBlockedError("a URL with a user name or password is not downloaded")
        host = parsed.host.lower().rstrip(".")
        if not host:
            raise UrlBlockedError("the URL has no host")
        port = WEB_PORTS[parsed.scheme] if parsed.port is None else parsed.port
        if port not in WEB_PORTS.values() and not self._exceptions.admit_port(host, port):
            raise UrlBlockedError("only ports 80 and 443 are downloaded from")
        if self._allowed_hosts and not any(map(_matcher(host), self._allowed_hosts)):
            raise UrlBlockedError("downloads are restricted to other hosts")
        if _is_local_name(host) and not self._exceptions.admit_name(host, port):
            raise UrlBlockedError(BLOCKED_ADDRESS)
        return parsed


def _parse(url: str | httpx.URL) -> httpx.URL:
    text = str(url)
    if len(text) > MAX_URL_CHARS:
        raise UrlBlockedError(f"the URL is longer than {MAX_URL_CHARS} characters")
    if "\\" in text or any(char.isspace() or not char.isprintable() for char in text.strip()):
        raise UrlBlockedError("the URL has a character that does not belong in one")
    try:
        return httpx.URL(text.strip())
    except Exception as error:  # idna and urlparse raise more than httpx.InvalidURL
        raise UrlBlockedError("this is not a URL") from error


def _matcher(host: str) -> Callable[[str], bool]:
    return lambda pattern: (
        host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
    )


def _is_local_name(host: str) -> bool:
    """Names without a dot are neighbours on the Docker network; told without asking DNS."""
    return ("." not in host and ":" not in host) or host.endswith((".localhost", ".internal"))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks and connects.

    Args:
        exceptions: hosts and networks that may be private.
        resolve: name look-up; the system's by default.
    """

    def __init__(self, exceptions: Exceptions, resolve: Resolve | None = None) -> None:
        self._exceptions = exceptions
        self._resolve = resolve or SystemResolver()
        self._backend = httpcore.AnyIOBackend()

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
            UrlBlockedError: any of the name's addresses is not public.
            DownloadFailedError: the name has no address.
            httpcore.ConnectError: none of them accepts a connection.
        """
        literals = await self._resolve(host, port)
        if not literals:
            raise DownloadFailedError("the host name has no address")
        if not self._exceptions.admit_name(host.lower().rstrip("."), port):
            for literal in literals:
                address = ip_address(literal)
                if not is_public(address) and not self._exceptions.admit_address(address):
                    raise UrlBlockedError(BLOCKED_ADDRESS)
        refused: Exception = httpcore.ConnectError("no address")
        for literal in literals:
            try:
                return await self._backend.connect_tcp(
                    literal, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
        raise refused

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


class SystemResolver:
    """The system's resolver in threads of its own: one that hangs must not stop decoding."""

    def __init__(self, *, threads: int = 64) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses of a host, in the system's order of preference; empty if unknown."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, _getaddrinfo, host, port)
        except (socket.gaierror, UnicodeError):
            return []
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _getaddrinfo(
    host: str, port: int
) -> list[tuple[object, object, object, object, tuple[object, ...]]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
