"""Deadlocks: locks are taken in one order where that can be had; else what the database ends is done again."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Model, QuerySet

from tests.flows.driving import aside, begin, call, claimable, finish, states, trail, work
from tests.flows.ledger import Ledger
from tests.support.waiting import wait_until
from workflows import incident_store, statements, store
from workflows.execution import shift
from workflows.models import Activation, DeadLetter, Incident, Run, Step
from workflows.operations import patience

pytestmark = pytest.mark.usefixtures("database")
_LONGEST_S = 60.0
_BATCH = 1_000


def grow(path: str, gate: str) -> Mapping[str, object]:
    """This will be a step that returns two more."""
    return call("grow_fan", args={"count": 2, "ledger": path, "gate": gate})


def effect(path: str, gate: str) -> Mapping[str, object]:
    """This will be a step that ends when the gate is open."""
    return call("effect", args={"ledger": path, "gate": gate})


@pytest.mark.parametrize("step", [effect, grow])
def test_step_whose_end_runs_into_a_deadlock_is_committed_again(
    step: Callable[[str, str], Mapping[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody takes the activation first and then the run; who ends a step, the other way round."""
    tries = _counted(patience, monkeypatch)
    gate, ledger = tmp_path / "gate", Ledger(tmp_path / "ledger")
    run_id = begin({"act": step(str(ledger.path), str(gate)), "beside": call("noop")})
    worker = aside(lambda: [shift.execute([ref]) for ref in claimable(run_id)])
    wait_until(lambda: ledger.entries("begin"), what="the step has begun")

    own = Activation.objects.filter(run_id=run_id, state="leased")
    with _in_a_circle(own, behind=Run.objects.filter(id=run_id)) as was_ended:
        gate.touch()
    worker.join(_LONGEST_S)
    work(run_id)

    assert tries or was_ended, "there was a deadlock"
    assert Run.objects.get(id=run_id).state == "succeeded"
    assert Step.objects.get(run_id=run_id, step="act").attempts == 1
    assert len([entry for entry in ledger.entries("begin") if entry.step == "act"]) == 1
    assert "step.lost" not in trail(run_id)
    assert set(states(run_id).values()) == {"succeeded"}


def test_statement_that_runs_into_a_deadlock_is_executed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = _counted(statements, monkeypatch)
    runs = [begin({"only": call("noop")}) for _ in range(2)]
    claims = store.claim(refs=claimable(*runs), owner="me", lease_s=60)
    holds: list[store.HoldRow] = [{"id": claim.id, "epoch": claim.epoch} for claim in claims]
    first, second = (Activation.objects.filter(run_id=run_id) for run_id in runs)
    released: list[int] = []

    with _in_a_circle(second, behind=first) as was_ended:
        worker = aside(lambda: released.append(store.release(holds=holds)))
    worker.join(_LONGEST_S)

    assert tries or was_ended, "there was a deadlock"
    assert released == [2]


def test_incidents_whose_failures_are_counted_are_locked_in_the_order_of_those_that_are_opened() -> None:
    while incident_store.count_failures(limit=_BATCH):
        pass
    failing = {f"s{number}": call("fail_on", args={"value": 1, "bad": 1}) for number in range(12)}
    run_id = finish(failing).id
    letters = DeadLetter.objects.filter(run_id=run_id)
    incidents = Incident.objects.filter(fingerprint__in=letters.values("fingerprint"))
    first, *others = incidents.order_by("fingerprint").values_list("fingerprint", flat=True)

    with transaction.atomic():
        incidents.select_for_update().get(fingerprint=first)
        counter = aside(lambda: incident_store.count_failures(limit=_BATCH))
        wait_until(_has_followers, what="the count waits for the first incident")
        free = incidents.select_for_update(skip_locked=True).filter(fingerprint__in=others)
        assert len(free) == len(others) == 11
    counter.join(_LONGEST_S)

    assert set(incidents.values_list("count", flat=True)) == {1}


@contextmanager
def _in_a_circle(held: QuerySet[Model], *, behind: QuerySet[Model]) -> Iterator[list[bool]]:
    """Somebody has a row, and wants another one as soon as it is waited for.

    Who waits does so for longer, and so is the one that is ended; on a busy machine it may be this: then the list is
    not empty.
    """
    has_it = threading.Event()
    was_ended: list[bool] = []

    def disturb() -> None:
        try:
            with transaction.atomic():
                held.select_for_update().get()
                has_it.set()
                wait_until(_has_followers, what="somebody waits for what we have")
                behind.select_for_update().get()
        except OperationalError:
            was_ended.append(True)

    other = aside(disturb)
    assert has_it.wait(_LONGEST_S)
    yield was_ended
    other.join(_LONGEST_S)
    assert not other.is_alive()


def _counted(module: object, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a module makes before it tries again."""
    pauses: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pauses.append))
    return pauses


def _has_followers() -> bool:
    return bool(
        _execute(
            "select exists (select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))"
        )
    )


def _execute(sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return None if cursor.description is None else cursor.fetchone()[0]
