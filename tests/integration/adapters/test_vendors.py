"""What holds for the actions of all vendors, whatever they speak: a peer that breaks, and one that talks nonsense."""

from dataclasses import replace

import pytest

from integrations.errors import CallFailed, Unavailable, Unknown
from tests.support.peers import table
from tests.support.peers.calls import attempt
from tests.support.peers.contract import Services
from tests.support.peers.vendor import BROKEN, GARBLED, VendorPeer

VENDORS = [peer for peer in table.PEERS if issubclass(peer, VendorPeer)]


@pytest.mark.parametrize("kind", VENDORS, ids=lambda peer: peer.id)
@pytest.mark.parametrize("word", [BROKEN, GARBLED])
def test_an_answer_that_says_nothing_is_unknown_where_something_may_have_changed(
    kind: type[VendorPeer], word: str, services: Services
) -> None:
    peer = table.find(kind.id, services=services)
    assert isinstance(peer, VendorPeer)
    case = peer.misbehaving(word)

    with pytest.raises(CallFailed) as failed:
        attempt(peer.adapter, inputs=case.inputs, connection=case.connection)

    assert type(failed.value) is (Unknown if peer.changes else Unavailable)
    assert failed.value.repeatable is (peer.adapter.is_repeatable(inputs=case.inputs) or not peer.changes)


@pytest.mark.parametrize("name", ["hubspot.upsert", "salesforce.upsert"])
def test_a_token_that_oauth_has_got_is_sent_in_the_place_of_a_secret(name: str, services: Services) -> None:
    peer = table.find(name, services=services)
    assert isinstance(peer, VendorPeer)
    oauth2 = {"token_url": "https://auth.example.com/token", "client_id": "engine"}
    connection = replace(
        peer.connection(),
        options={"oauth2": oauth2},
        secret_values={"client_secret": "never-sent"},
        headers={"Authorization": f"Bearer {peer.token}"},
    )

    peer.check(attempt(peer.adapter, inputs=peer.inputs(), connection=connection))
