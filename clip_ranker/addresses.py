"""Which addresses count as public. One table, made to be reviewed line by line.

``ipaddress.is_global`` is not enough: on Python 3.11 it admits multicast, several forms of IPv4
inside IPv6, site-local addresses and cloud metadata endpoints.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

NOT_PUBLIC: tuple[IPNetwork, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "127.0.0.0/8",  # loopback, RFC 1122
        "168.63.129.16/32",  # Azure's platform endpoint, on a public address
        "169.254.0.0/16",  # link-local and cloud metadata, RFC 3927
        "172.16.0.0/12",  # private, RFC 1918; Docker's networks
        "192.0.0.0/24",  # protocol assignments, RFC 6890
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.168.0.0/16",  # private, RFC 1918
        "198.18.0.0/15",  # benchmarks, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and broadcast, RFC 1112
        "100::/64",  # discard, RFC 6666
        "2001::/23",  # protocol assignments with Teredo, RFC 2928, RFC 4380
        "2001:db8::/32",  # documentation, RFC 3849
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing, RFC 9602
        "4000::/2",  # not allocated, RFC 4291
        "64:ff9b:1::/48",  # local NAT64, RFC 8215
        "8000::/1",  # not allocated, RFC 4291; holds the four that follow
        "fc00::/7",  # unique local, RFC 4193
        "fe80::/10",  # link-local, RFC 4291
        "fec0::/10",  # site-local, RFC 3879
        "ff00::/8",  # multicast, RFC 4291
    )
)

EMBEDDED_IPV4: tuple[tuple[IPv6Network, int], ...] = tuple(
    (IPv6Network(network), shift)
    for network, shift in (
        # network, and how many bits stand to the right of the IPv4 address in it
        ("::/96", 0),  # IPv4-compatible, RFC 4291; holds :: and ::1
        ("::ffff:0:0/96", 0),  # IPv4-mapped, RFC 4291
        ("::ffff:0:0:0/96", 0),  # IPv4-translated, RFC 2765
        ("64:ff9b::/96", 0),  # NAT64, RFC 6052
        ("2002::/16", 80),  # 6to4, RFC 3056
    )
)

ISATAP_MARKS = (0x00005EFE, 0x02005EFE)
"""Bits 32 to 63 of an ISATAP address, RFC 5214; its last 32 bits are an IPv4 address."""


def is_public(address: IPAddress) -> bool:
    """True when neither the address nor an IPv4 address inside it lies in ``NOT_PUBLIC``."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if any(not is_public(inner) for inner in _embedded(address)):
            return False
    return not any(address in network for network in NOT_PUBLIC)


def _embedded(address: IPv6Address) -> list[IPv4Address]:
    number = int(address)
    found = [
        IPv4Address(number >> shift & 0xFFFFFFFF)
        for network, shift in EMBEDDED_IPV4
        if address in network
    ]
    if number >> 32 & 0xFFFFFFFF in ISATAP_MARKS:
        found.append(IPv4Address(number & 0xFFFFFFFF))
    return found
