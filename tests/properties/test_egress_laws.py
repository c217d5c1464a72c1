"""Which hosts a list lets through, for all names and addresses."""

from ipaddress import IPv4Network, ip_address

from hypothesis import given
from hypothesis import strategies as st

from integrations import egress
from integrations.egress import Egress

labels = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join)
octets = st.integers(0, 255)
addresses = st.tuples(octets, octets, octets, octets).map(lambda four: ip_address(bytes(four)))
networks = st.tuples(addresses, st.integers(0, 32)).map(lambda pair: IPv4Network((int(pair[0]), pair[1]), strict=False))


@given(host=hosts, others=st.lists(hosts, max_size=3))
def test_a_named_host_is_let_through_however_it_is_spelt(host: str, others: list[str]) -> None:
    listed = Egress(allowed_hosts=(*others, host))

    assert egress.problem_of(host) is None
    assert listed.names(host.upper())
    assert listed.names(f"{host}.")


@given(host=hosts, listed=st.lists(hosts, min_size=1, max_size=4))
def test_nothing_but_what_is_listed_is_let_through_by_name(host: str, listed: list[str]) -> None:
    assert Egress(allowed_hosts=tuple(listed)).names(host) == (host in listed)


@given(host=hosts, suffix=hosts)
def test_a_star_lets_through_what_is_below_and_nothing_else(host: str, suffix: str) -> None:
    below = Egress(allowed_hosts=(f"*.{suffix}",))

    assert below.names(f"{host}.{suffix}")
    assert not below.names(suffix)
    assert below.names(host) == host.endswith(f".{suffix}")
    assert not below.names(f"{suffix}.x-{host}x")


@given(host=hosts, found=st.lists(addresses, min_size=1, max_size=4), network=networks)
def test_a_network_lets_through_a_host_with_all_addresses_inside(
    host: str, found: list[object], network: IPv4Network
) -> None:
    listed = Egress(allowed_hosts=(str(network),))

    assert listed.may_allow(host)
    assert listed.allows(host, addresses=found) == all(address in network for address in found)  # type: ignore[arg-type, operator]
    mapped = [ip_address(f"::ffff:{address}") for address in found]
    assert listed.allows(host, addresses=mapped) == listed.allows(host, addresses=found)  # type: ignore[arg-type]


@given(text=st.text(max_size=40))
def test_what_is_taken_for_a_host_never_allows_everything(text: str) -> None:
    if egress.problem_of(text) is None and "/" not in text:
        assert not Egress(allowed_hosts=(text,)).names("some.host.nobody.listed.example.org")
