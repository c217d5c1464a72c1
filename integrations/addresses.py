"""Which network addresses an outbound call may reach; it never resolves a name and never connects.

The ranges are those of the IANA special-purpose registries (RFC 6890) as the standard library knows them;
an IPv4 address inside an IPv6 one (mapped, compatible, NAT64) is judged as itself.
"""

from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address


class Reach(Enum):
    """Who may be found at an address."""

    PUBLIC = auto()
    """Anybody: allowed."""
    PRIVATE = auto()
    """This host or this network: allowed only where a connection says so."""
    FORBIDDEN = auto()
    """Never an outside system: multicast, unspecified, the metadata service of a cloud."""


_METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google Cloud, DigitalOcean, OpenStack
        "169.254.170.2",  # AWS, credentials of containers
        "169.254.170.23",  # AWS, credentials of pods
        "168.63.129.16",  # Azure host agent: a public address, and yet never outside
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS over IPv6
        "fd00:ec2::23",  # AWS, credentials of pods over IPv6
        "fd20:ce::254",  # Google Cloud over IPv6
    )
)
_EMBEDDING = (
    IPv6Network("::ffff:0:0/96"),
    IPv6Network("::/96"),
    IPv6Network("64:ff9b::/96"),
)
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")


def reach_of(address: Address) -> Reach:
    """This will tell who may be found at an address.

    >>> reach_of(ip_address("93.184.216.34")), reach_of(ip_address("::ffff:10.0.0.1"))
    (<Reach.PUBLIC: 1>, <Reach.PRIVATE: 2>)
    >>> reach_of(ip_address("169.254.169.254"))
    <Reach.FORBIDDEN: 3>
    """
    if isinstance(address, IPv6Address) and address.scope_id:
        address = IPv6Address(int(address))
    if address in _METADATA or address.is_multicast or address.is_unspecified:
        return Reach.FORBIDDEN
    if isinstance(address, IPv4Address):
        return Reach.PUBLIC if address.is_global else Reach.PRIVATE
    return _reach_of_v6(address)


def _reach_of_v6(address: IPv6Address) -> Reach:
    tunnel = address.sixtofour or (address.teredo and address.teredo[1])
    if tunnel:  # obsolete ways through strangers: public to nobody
        return Reach.FORBIDDEN if reach_of(tunnel) is Reach.FORBIDDEN else Reach.PRIVATE
    if not address.is_loopback and any(address in network for network in _EMBEDDING):
        return reach_of(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.is_site_local or address in _LOCAL_NAT64:
        return Reach.PRIVATE
    return Reach.PUBLIC if address.is_global else Reach.PRIVATE
