"""Which addresses an outbound call may reach, as a table and as laws."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.addresses import Reach, reach_of


@pytest.mark.parametrize(
    ("text", "reach"),
    [
        ("93.184.216.34", Reach.PUBLIC),
        ("1.1.1.1", Reach.PUBLIC),
        ("2606:4700:4700::1111", Reach.PUBLIC),
        ("::ffff:93.184.216.34", Reach.PUBLIC),
        ("64:ff9b::5db8:d822", Reach.PUBLIC),
        ("127.0.0.1", Reach.PRIVATE),
        ("127.255.255.254", Reach.PRIVATE),
        ("10.0.0.1", Reach.PRIVATE),
        ("172.16.0.1", Reach.PRIVATE),
        ("172.31.255.255", Reach.PRIVATE),
        ("192.168.1.1", Reach.PRIVATE),
        ("169.254.1.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("192.0.2.1", Reach.PRIVATE),
        ("198.18.0.1", Reach.PRIVATE),
        ("240.0.0.1", Reach.PRIVATE),
        ("255.255.255.255", Reach.PRIVATE),
        ("0.1.2.3", Reach.PRIVATE),
        ("::1", Reach.PRIVATE),
        ("fe80::1", Reach.PRIVATE),
        ("fe80::1%eth0", Reach.PRIVATE),
        ("fc00::1", Reach.PRIVATE),
        ("fec0::1", Reach.PRIVATE),
        ("2001:db8::1", Reach.PRIVATE),
        ("64:ff9b:1::a00:1", Reach.PRIVATE),
        ("::ffff:127.0.0.1", Reach.PRIVATE),
        ("::127.0.0.1", Reach.PRIVATE),
        ("2002:7f00:1::", Reach.PRIVATE),
        ("2002:a00:1::1", Reach.PRIVATE),
        ("64:ff9b::a00:1", Reach.PRIVATE),
        ("0.0.0.0", Reach.FORBIDDEN),
        ("::", Reach.FORBIDDEN),
        ("::ffff:0.0.0.0", Reach.FORBIDDEN),
        ("224.0.0.1", Reach.FORBIDDEN),
        ("239.255.255.250", Reach.FORBIDDEN),
        ("ff02::1", Reach.FORBIDDEN),
        ("169.254.169.254", Reach.FORBIDDEN),
        ("::ffff:169.254.169.254", Reach.FORBIDDEN),
        ("64:ff9b::a9fe:a9fe", Reach.FORBIDDEN),
        ("168.63.129.16", Reach.FORBIDDEN),
        ("100.100.100.200", Reach.FORBIDDEN),
        ("fd00:ec2::254", Reach.FORBIDDEN),
        ("fd00:ec2::254%1", Reach.FORBIDDEN),
    ],
)
def test_reach_of_knows_each_range(text: str, reach: Reach) -> None:
    assert reach_of(ip_address(text)) is reach


@given(st.ip_addresses())
def test_reach_of_never_calls_public_what_the_standard_library_does_not(
    address: IPv4Address | IPv6Address,
) -> None:
    embeds = isinstance(address, IPv6Address) and (int(address) >> 96 in (0, 0x0064FF9B))

    assert reach_of(address) is not Reach.PUBLIC or address.is_global or embeds


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "::", "64:ff9b::"]))
def test_reach_of_judges_an_embedded_address_as_itself(address: IPv4Address, prefix: str) -> None:
    inside = IPv6Address(int(IPv6Address(prefix)) | int(address))

    assert inside == IPv6Address("::1") or reach_of(inside) is reach_of(address)


@given(st.ip_addresses(v=4), st.integers(0, 2**80 - 1))
def test_reach_of_never_calls_a_tunnel_public(address: IPv4Address, rest: int) -> None:
    sixtofour = IPv6Address(0x2002 << 112 | int(address) << 80 | rest)
    teredo = IPv6Address(0x20010000 << 96 | rest)

    assert reach_of(sixtofour) is not Reach.PUBLIC
    assert reach_of(teredo) is not Reach.PUBLIC
