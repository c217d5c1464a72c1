"""Where a connection may lead: whether into private networks, and to which hosts at all; pure.

    api.example.com      this host
    *.example.com        every host below it, not itself
    203.0.113.0/24       every host all of whose addresses are in it

An empty list of hosts allows every public one. A host is compared before it is resolved, so that the name of one that
is not allowed is not even looked up.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from integrations.addresses import Address

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_LONGEST_HOST = 255
_RIGHT = "must be a host such as api.example.com, *.example.com for those below it, or a network such as 10.1.0.0/16"


@dataclass(frozen=True)
class Egress:
    """Where calls may lead. Equal ones may share sockets, others never."""

    allow_private: bool = False
    allowed_hosts: tuple[str, ...] = ()

    @cached_property
    def _names(self) -> Collection[str]:
        return frozenset(_plain(host) for host in self.allowed_hosts if _network(host) is None)

    @cached_property
    def _networks(self) -> Collection[IPv4Network | IPv6Network]:
        return tuple(network for network in map(_network, self.allowed_hosts) if network is not None)

    def names(self, host: str) -> bool:
        """This will tell whether a host is allowed by its name, wherever that leads.

        >>> egress = Egress(allowed_hosts=("*.example.com",))
        >>> egress.names("api.Example.com."), egress.names("example.com"), egress.names("api.example.com.evil.net")
        (True, False, False)
        """
        if not self.allowed_hosts:
            return True
        labels = _plain(host).split(".")
        above = {"*." + ".".join(labels[at:]) for at in range(1, len(labels))}
        return ".".join(labels) in self._names or not above.isdisjoint(self._names)

    def may_allow(self, host: str) -> bool:
        """This will tell whether it is worth resolving a host: it is named, or its addresses may be in a network."""
        return self.names(host) or bool(self._networks)

    def allows(self, host: str, *, addresses: Iterable[Address]) -> bool:
        """This will tell whether a host with these addresses is allowed, by its name or by all of its addresses.

        >>> from ipaddress import ip_address
        >>> Egress(allowed_hosts=("10.1.0.0/16",)).allows("db", addresses=[ip_address("10.1.2.3")])
        True
        """
        return self.names(host) or all(self._is_within(address) for address in addresses)

    def _is_within(self, address: Address) -> bool:
        inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((inner or address) in network for network in self._networks)


def problem_of(host: object) -> str | None:
    """This will say what is wrong with an entry of a list of hosts, None when nothing is.

    >>> problem_of("*.example.com"), problem_of("10.0.0.0/8"), problem_of("https://example.com") is None
    (None, None, False)
    """
    if not isinstance(host, str):
        return _RIGHT
    if _network(host) is not None:
        return None
    if host.strip() == "*":
        return "allows every host: leave the list empty, if that is meant"
    return None if len(host) <= _LONGEST_HOST and _HOST.fullmatch(host) and not _is_number(host) else _RIGHT


@lru_cache(maxsize=1024)
def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text.strip("[]"))
    except ValueError:
        return None


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _is_number(host: str) -> bool:
    """Whatever ends in a number is an address that is written wrong, never a name (WHATWG URL)."""
    return host.rpartition(".")[2].isdigit()
