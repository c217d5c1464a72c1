"""The contract of all adapters, held against a real peer each; `tests/support/peers/table.py` lists them."""

import asyncio
import importlib
import time
from types import ModuleType
from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest

from integrations.calls import recording
from integrations.contract import (
    AsyncAdapter,
    AsyncLookingUp,
    ConnectionKind,
    ConnectionSettings,
    DescribedCalls,
    Happened,
    LookingUp,
)
from integrations.errors import Denied, Refused, Throttled, Unavailable, Unknown
from tests.support.peers import calls, wires
from tests.support.peers.calls import context
from tests.support.peers.contract import SECRET, Case, Peer

_LATE_S = 20.0


def attempt(peer: Peer, *, inputs: object = None, connection: ConnectionSettings | None, **more: Any) -> Any:
    """This will make one attempt of the peer's adapter."""
    return calls.attempt(
        peer.adapter, inputs=peer.inputs() if inputs is None else inputs, connection=connection, **more
    )


def kind_of(peer: Peer) -> ConnectionKind:
    """This will be the adapter as one that describes its connections."""
    assert isinstance(peer.adapter, ConnectionKind)
    return peer.adapter


def test_a_call_succeeds(peer: Peer) -> None:
    before = peer.effects()

    peer.check(attempt(peer, connection=peer.connection()))

    assert peer.effects() == before + (1 if peer.changes else 0)


def test_a_call_succeeds_on_an_event_loop(peer: Peer) -> None:
    if not isinstance(peer.adapter, AsyncAdapter):
        pytest.skip("it blocks")

    output = asyncio.run(peer.adapter.acall(inputs=peer.inputs(), connection=peer.connection(), context=context()))

    peer.check(output)


def test_what_works_is_what_the_schemas_say(peer: Peer) -> None:
    jsonschema_rs.validate(dict(peer.adapter.input_schema), peer.inputs())
    jsonschema_rs.validate(dict(kind_of(peer).connection_schema), dict(peer.connection().options))
    assert jsonschema_rs.meta.is_valid(dict(kind_of(peer).connection_schema))
    assert set(peer.connection().secret_values) <= set(kind_of(peer).secret_names)


def test_what_is_wrong_is_refused_and_changes_nothing(peer: Peer) -> None:
    before = peer.effects()

    for case in peer.wrong():
        with pytest.raises(Refused, match=f"(?i){case.says}"):
            attempt(peer, inputs=case.inputs, connection=case.connection)

    assert peer.effects() == before


def test_a_wrong_login_is_denied_so_that_secrets_are_read_anew(peer: Peer) -> None:
    connection = peer.wrong_login()
    if connection is None:
        pytest.skip("it has no login")

    with pytest.raises(Denied):
        attempt(peer, connection=connection)

    assert SECRET not in kind_of(peer).probe(connection=connection, timeout_s=30).detail
    assert not kind_of(peer).probe(connection=connection, timeout_s=30).is_well


def test_a_peer_that_is_not_there_is_unavailable(peer: Peer) -> None:
    connection = peer.connection(port=wires.closed_port())

    with pytest.raises(Unavailable):
        attempt(peer, connection=connection)

    assert not kind_of(peer).probe(connection=connection, timeout_s=30).is_well


def test_a_peer_that_never_answers_costs_no_more_than_the_time_of_the_call(peer: Peer) -> None:
    if not peer.has_network:
        pytest.skip("it opens no socket")
    with wires.silent() as port:
        began_at = time.monotonic()
        with pytest.raises((Unavailable, Unknown)) as failed:
            attempt(peer, connection=peer.connection(port=port), timeout_s=peer.patience_s)
        took_s = time.monotonic() - began_at

    assert took_s < peer.patience_s + _LATE_S
    assert failed.value.repeatable or not peer.adapter.is_repeatable(inputs=peer.inputs())


def test_a_private_address_is_refused_unless_the_connection_allows_it(peer: Peer) -> None:
    if not peer.has_network:
        pytest.skip("it opens no socket")
    before = peer.effects()

    with pytest.raises(Refused, match="not a public address"):
        attempt(peer, connection=peer.connection(allow_private=False))

    assert peer.effects() == before


def test_a_base_url_that_means_nothing_is_refused(peer: Peer) -> None:
    with pytest.raises(Refused, match="base URL"):
        attempt(peer, connection=ConnectionSettings(name="odd", base_url="gopher://127.0.0.1", allow_private=True))
    with pytest.raises(Refused, match="connection"):
        attempt(peer, connection=None)


def test_a_cut_after_sending_is_unknown_where_something_may_have_changed(peer: Peer) -> None:
    before, expected = peer.effects(), Unknown if peer.changes else Unavailable

    with peer.cut() as case:
        if case is None:
            pytest.skip("its connections cannot be cut from outside")
        with pytest.raises(expected) as failed:
            attempt(peer, inputs=case.inputs, connection=case.connection)

    assert type(failed.value) is expected
    assert failed.value.repeatable is peer.adapter.is_repeatable(inputs=case.inputs)
    assert peer.effects() == before + (1 if peer.changes else 0)


def test_what_was_cut_is_found_by_looking_it_up_and_what_never_was_is_not(peer: Peer) -> None:
    adapter, key = peer.adapter, f"run-{uuid4()}/step"
    if not isinstance(adapter, AsyncLookingUp) or not adapter.can_look_up(inputs=peer.inputs()):
        pytest.skip("it cannot look up")
    with peer.cut() as case:
        if case is None:
            pytest.skip("its connections cannot be cut from outside")
        asked: Any = {"inputs": case.inputs, "connection": peer.connection()}
        never = adapter.look_up(**asked, context=context(key=key))
        with pytest.raises(Unknown):
            attempt(peer, inputs=case.inputs, connection=case.connection, key=key)

    found = adapter.look_up(**asked, context=context(key=key))
    again = asyncio.run(adapter.alook_up(**asked, context=context(key=key)))

    assert not isinstance(never, Happened)
    assert isinstance(found, Happened)
    peer.check(found.output)
    assert again == found


def test_a_repetition_with_the_same_key_changes_nothing_the_second_time(peer: Peer) -> None:
    before, inputs, key = peer.effects(), peer.inputs(), f"run-{uuid4()}/step"
    if not peer.adapter.is_repeatable(inputs=inputs):
        pytest.skip("it does not claim to be repeatable")

    for _ in range(2):
        peer.check(attempt(peer, inputs=inputs, connection=peer.connection(), key=key))

    assert peer.effects() == before + (1 if peer.changes else 0)


def test_the_ledger_is_told_which_calls_change_nothing(peer: Peer) -> None:
    inputs, connection = peer.inputs(), peer.connection()
    if isinstance(peer.adapter, DescribedCalls):  # what describes the peer is at hand from here on
        peer.check(attempt(peer, inputs=inputs, connection=connection))

    ability = recording.ability_of(peer.adapter, inputs=inputs, connection=connection)

    assert ability.is_safe is not peer.changes


def test_a_look_up_finds_what_has_happened_and_changes_nothing(peer: Peer) -> None:
    adapter, inputs, connection = peer.adapter, peer.inputs(), peer.connection()
    if not isinstance(adapter, LookingUp) or not adapter.can_look_up(inputs=inputs):
        pytest.skip("it cannot look up")
    about = context()

    before = adapter.look_up(inputs=inputs, connection=connection, context=about)
    peer.check(attempt(peer, inputs=inputs, connection=connection, key=about.idempotency_key))
    effects = peer.effects()
    after = adapter.look_up(inputs=inputs, connection=connection, context=about)
    found = [after]
    if isinstance(adapter, AsyncLookingUp):
        found.append(asyncio.run(adapter.alook_up(inputs=inputs, connection=connection, context=about)))

    assert not isinstance(before, Happened)
    for one in found:
        assert isinstance(one, Happened)
        peer.check(one.output)
    assert peer.effects() == effects
    with pytest.raises(Unavailable):
        adapter.look_up(inputs=inputs, connection=peer.connection(port=wires.closed_port()), context=about)


def test_a_peer_that_has_enough_says_so(peer: Peer) -> None:
    for case in peer.throttled():
        with pytest.raises(Throttled):
            attempt(peer, inputs=case.inputs, connection=case.connection)


def test_an_answer_that_is_too_large_is_refused(peer: Peer) -> None:
    case = peer.too_large()
    if case is None:
        pytest.skip("its answers have one size")

    with pytest.raises(Refused, match=case.says):
        attempt(peer, inputs=case.inputs, connection=case.connection)


def test_a_probe_finds_the_peer_well_and_changes_nothing(peer: Peer) -> None:
    before = peer.effects()

    health = kind_of(peer).probe(connection=peer.connection(), timeout_s=30)

    assert health.is_well, health.detail
    assert health.detail
    assert peer.effects() == before


def test_a_probe_raises_nothing_and_keeps_its_time(peer: Peer) -> None:
    odd = ConnectionSettings(name="odd", base_url="gopher://127.0.0.1", allow_private=True)
    assert not kind_of(peer).probe(connection=odd, timeout_s=1).is_well

    with wires.silent() as port:
        began_at = time.monotonic()
        connection = peer.connection(port=port)  # a folder that is not there, where there is no socket
        assert not kind_of(peer).probe(connection=connection, timeout_s=peer.patience_s).is_well
    assert time.monotonic() - began_at < peer.patience_s + _LATE_S


def test_a_missing_library_is_named_with_the_command_that_installs_it(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not peer.extra:
        pytest.skip("it needs no extra")

    def without(module: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'library'", name="library")

    monkeypatch.setattr(importlib, "import_module", without)

    with pytest.raises(Refused, match=rf"pip install automation-engine\[{peer.extra}\]"):
        attempt(peer, connection=peer.connection())


def test_every_case_is_built_as_the_schema_allows(peer: Peer) -> None:
    cases: list[Case | None] = [*peer.wrong(), peer.too_large()]

    for case in cases:
        if case is not None:
            jsonschema_rs.validate(dict(peer.adapter.input_schema), case.inputs)
