"""What is peculiar to `rest.call`: parameters in their places, and pages."""

from typing import Any

import pytest

from integrations.adapters.rest import call
from integrations.errors import Refused
from tests.support.peers.calls import attempt
from tests.support.peers.contract import Services
from tests.support.peers.rest import NAMES, Call


@pytest.fixture
def peer(services: Services) -> Call:
    return Call(services)


def test_call_is_known_to_change_nothing_once_the_document_is_there(peer: Call) -> None:
    fetched = peer.fetched()
    listed, created = {"operation": "listCharges"}, {"operation": "createCharge"}
    before = call.is_known_safe(inputs=listed, connection=fetched)

    attempt(call, inputs=listed, connection=fetched)

    assert [before, call.is_known_safe(inputs=listed, connection=fetched)] == [False, True]
    assert call.is_known_safe(inputs=listed, connection=peer.connection())
    for wrong in (created, {"operation": "none"}, {"operation": "${{ input.operation }}"}):
        assert not call.is_known_safe(inputs=wrong, connection=fetched)


def test_call_writes_parameters_where_the_document_says(peer: Call) -> None:
    inputs = {"operation": "listCharges", "parameters": {"state": "open", "tags": ["x", "y"], "X-Tenant": 7}}

    attempt(call, inputs=inputs, connection=peer.fetched())

    request = peer.api.requests[-1]
    assert request.query_string == b"state=open&tags=x%2Cy"
    assert request.headers["X-Tenant"] == "7"
    output = attempt(call, inputs={"operation": "getCharge", "parameters": {"id": "a/b"}}, connection=peer.fetched())
    assert output["body"] == {"id": "a/b", "amount": "1", "note": None}


@pytest.mark.parametrize(
    "pages",
    [
        {"by": "link"},
        {"by": "cursor", "next": "meta.next", "parameter": "after"},
        {"by": "page", "parameter": "page"},
        {"by": "offset", "parameter": "offset"},
    ],
    ids=lambda pages: pages["by"],
)
def test_call_fetches_all_pages_and_no_more_than_allowed(peer: Call, pages: dict[str, Any]) -> None:
    inputs = {"operation": "listCharges", "pages": {"items": "data", **pages}}

    output = attempt(call, inputs=inputs, connection=peer.connection())

    assert output["items"] == NAMES
    with pytest.raises(Refused, match="more than 2 pages"):
        attempt(call, inputs=_limited(inputs, max_pages=2), connection=peer.connection())
    with pytest.raises(Refused, match="more than 3 items"):
        attempt(call, inputs=_limited(inputs, max_items=3), connection=peer.connection())


def test_call_refuses_an_answer_that_is_not_what_the_document_says_unless_told_otherwise(peer: Call) -> None:
    inputs = {"operation": "getCharge", "parameters": {"id": "odd"}}

    with pytest.raises(Refused, match="the call happened") as failed:
        attempt(call, inputs=inputs, connection=peer.connection())

    assert failed.value.evidence["happened"] is True
    assert attempt(call, inputs={**inputs, "check_answer": False}, connection=peer.connection())["body"] == {"id": 7}


def _limited(inputs: dict[str, Any], **limits: int) -> dict[str, Any]:
    return {**inputs, "pages": {**inputs["pages"], **limits}}
