from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.download.addresses import is_public
from tests.hostile.addresses import PRIVATE, PUBLIC

PRIVATE_IPV4 = [literal for literal in PRIVATE if ":" not in literal]


@pytest.mark.parametrize("literal", PRIVATE)
def test_private(literal: str) -> None:
    assert not is_public(ip_address(literal))


@pytest.mark.parametrize("literal", PUBLIC)
def test_public(literal: str) -> None:
    assert is_public(ip_address(literal))


@pytest.mark.parametrize("literal", PRIVATE_IPV4)
@pytest.mark.parametrize(
    "form",
    ["::ffff:0:0", "64:ff9b::", "::", "::ffff:0:0:0", "2a00:1450::200:5efe:0:0", "2a00::5efe:0:0"],
)
def test_a_private_ipv4_address_stays_private_in_every_ipv6_form(literal: str, form: str) -> None:
    assert not is_public(IPv6Address(int(IPv6Address(form)) + int(IPv4Address(literal))))


@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_private(address: IPv4Address | IPv6Address) -> None:
    if is_public(address) and getattr(address, "ipv4_mapped", None) is None:
        # Python 3.11 calls NAT64 global as a whole, and knows fewer networks than the table.
        assert address.is_global
        assert not address.is_multicast
