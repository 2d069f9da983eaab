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
        # What IPv6 has outside 2000::/3, all of it private or unassigned, needs no line here.
        "2001::/23",  # protocol assignments with Teredo, RFC 2928, RFC 4380
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, which carries any IPv4 address, RFC 7526
        "3fff::/20",  # documentation, RFC 9637
    )
)

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out of IPv6, RFC 4291."""

IPV4_IN_IPV6 = (
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped, RFC 4291
    IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052; how an IPv6-only machine reaches IPv4
)
"""As public as the IPv4 address in their last 32 bits."""

ISATAP_MARKS = (0x00005EFE, 0x02005EFE)
"""Bits 32 to 63 of an ISATAP address, RFC 5214; its last 32 bits are an IPv4 address."""


def is_public(address: IPAddress) -> bool:
    """True when neither the address nor an IPv4 address inside it is kept for private use."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        last_32_bits = IPv4Address(int(address) & 0xFFFFFFFF)
        if any(address in network for network in IPV4_IN_IPV6):
            return is_public(last_32_bits)
        if address not in GLOBAL_UNICAST:
            return False
        if int(address) >> 32 & 0xFFFFFFFF in ISATAP_MARKS and not is_public(last_32_bits):
            return False
    return not any(address in network for network in NOT_PUBLIC)
