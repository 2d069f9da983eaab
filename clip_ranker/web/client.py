"""Who sends a request, as limits tell clients apart: by key and address."""

from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import Scope

KEY_NAME = "clip_ranker.key"
"""In the scope: the name of the key that the request has brought."""
NETWORK_BITS = 64
"""Of an IPv6 address; what is behind them one customer makes up."""


class Client(NamedTuple):
    """One of those who share the service.

    Attributes:
        key: its name, empty where there are no keys.
        address: without what one customer may change about it, empty where there is none.
    """

    key: str
    address: str


def client_of(scope: Scope) -> Client:
    """The client of a request.

    A peer on a private network is a proxy: the last address in ``X-Forwarded-For`` is the one that
    it has seen, those before are what the client said.
    """
    peer = (scope.get("client") or ("",))[0]
    seen = ""
    if not _is_public(peer):
        forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
        seen = _address(forwarded.rpartition(",")[2])
    return Client(scope.get(KEY_NAME, ""), seen or _address(peer))


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def _address(text: str) -> str:
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Network((int(address), NETWORK_BITS), strict=False))
    return str(address)
