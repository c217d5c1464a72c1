"""What is peculiar to `browser.run`: the evidence of a step that failed, and the only way to the network."""

import pytest

from integrations.adapters.browser import run
from integrations.errors import Refused, Unavailable
from tests.support.peers.browser import Run
from tests.support.peers.calls import attempt
from tests.support.peers.contract import Services


@pytest.fixture
def peer(services: Services) -> Run:
    return Run(services)


def test_a_selector_that_fails_shows_the_page_and_what_the_gate_refused(peer: Run) -> None:
    steps = [{"goto": "/curious"}, {"click": {"selector": "#none"}}]

    with pytest.raises(Refused, match=r"steps\[1\]\.click.*169\.254\.169\.254, which is not a public") as failed:
        attempt(run, inputs={"steps": steps, "step_timeout_s": 4}, connection=peer.connection())

    assert failed.value.evidence["at"] == "steps[1].click"
    assert str(failed.value.evidence["url"]).endswith("/curious")
    assert "169.254.169.254:80" in str(failed.value.evidence["hosts_not_reached"])
    assert "image/jpeg" in str(failed.value.evidence["screenshot"])


def test_a_page_that_is_away_is_unavailable(peer: Run) -> None:
    with pytest.raises(Unavailable, match="503"):
        attempt(run, inputs={"steps": [{"goto": "/broken"}]}, connection=peer.connection())
