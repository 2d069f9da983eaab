"""What can be told from a URL alone, before any name is looked up."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network

import httpx

from clip_ranker.download.addresses import IPAddress, IPNetwork, is_public
from clip_ranker.download.urls import BLOCKED_ADDRESS, parse
from clip_ranker.errors import UrlBlockedError

MAX_NAME_CHARS = 253
WEB_PORTS = {"http": 80, "https": 443}

_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)
_LOCAL_SUFFIXES = (".localhost", ".internal", ".local", ".home.arpa")


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
            with suppress(ValueError):
                networks.append(ip_network(entry))
                continue
            host, colon, port = entry.lower().rpartition(":")
            if not colon and _NAME.fullmatch(port):
                hosts.add(port)
            elif host and port.isdecimal() and 0 < int(port) < 65536:
                host_ports.add((host.strip("[]"), int(port)))
            else:
                raise ValueError(
                    f"CLIP_ALLOW_PRIVATE_HOSTS: '{entry}' is not a host, host:port, address or "
                    "network"
                )
        return cls(frozenset(hosts), frozenset(host_ports), tuple(networks))

    def admit_name(self, host: str, port: int) -> bool:
        """True when this name may have private addresses."""
        return host in self.hosts or self.admit_port(host, port)

    def admit_port(self, host: str, port: int) -> bool:
        """True when this name may be asked on a port other than 80 and 443."""
        return (host, port) in self.host_ports

    def admit_address(self, address: IPAddress) -> bool:
        """True when any name may have this address."""
        return is_public(address) or any(address in network for network in self.networks)


class UrlPolicy:
    """Refuses what needs no look-up to be refused.

    Args:
        exceptions: hosts that may be private.
        allowed_hosts: patterns, ``example.com`` or ``*.example.com``; empty allows any.
    """

    def __init__(self, exceptions: Exceptions, allowed_hosts: Sequence[str] = ()) -> None:
        self._exceptions = exceptions
        self._allowed_hosts = tuple(pattern.lower() for pattern in allowed_hosts)

    def check(self, url: str, base: httpx.URL | None = None) -> httpx.URL:
        """Parses and checks a URL, which may be relative to the ``base`` that redirected there.

        Raises:
            UrlBlockedError: malformed, or not a URL this service downloads from.
        """
        parsed = parse(url, base)
        host = host_of(parsed)
        port = WEB_PORTS[parsed.scheme] if parsed.port is None else parsed.port
        if port not in WEB_PORTS.values() and not self._exceptions.admit_port(host, port):
            raise UrlBlockedError("port")
        if self._allowed_hosts and not any(matches(host, pat) for pat in self._allowed_hosts):
            raise UrlBlockedError("host_not_allowed")
        if is_address(host):
            # One in IPv4 that the URL does not spell out is a trick, like 0x7f.1.
            spelt_out = f"/{host}" in url.replace("\\", "/") or (base and host == host_of(base))
            if ":" not in host and not spelt_out:
                raise UrlBlockedError(BLOCKED_ADDRESS)
            return parsed  # it is judged where the connection is made
        if self._exceptions.admit_name(host, port):
            return parsed
        if len(host) > MAX_NAME_CHARS or not _NAME.fullmatch(host):
            raise UrlBlockedError("host_invalid")
        # A name without a dot is a neighbour's on the Docker network; told without asking DNS.
        if "." not in host or host.endswith(_LOCAL_SUFFIXES):
            raise UrlBlockedError(BLOCKED_ADDRESS)
        return parsed


def host_of(url: httpx.URL) -> str:
    """The host as it goes over the wire: lower case, punycode, without the root's dot."""
    return url.raw_host.decode("ascii").lower().removesuffix(".")


def is_address(host: str) -> bool:
    """Whether a host, as ``host_of`` answers it, is no name."""
    return ":" in host or host.rpartition(".")[2].isdecimal()  # the parser made sure of the rest


def matches(host: str, pattern: str) -> bool:
    """Whether ``example.com`` or ``*.example.com`` means this host."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
