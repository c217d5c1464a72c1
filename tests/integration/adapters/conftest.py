"""Fixtures of the contract suite: each peer is started once a session."""

import pytest

from tests.support.peers import table
from tests.support.peers.contract import Peer, Services


@pytest.fixture(scope="session", params=table.PEERS, ids=lambda peer: peer.id)
def peer(request: pytest.FixtureRequest, services: Services) -> Peer:
    """This will be each adapter with its peer."""
    return table.find(request.param.id, services=services)
