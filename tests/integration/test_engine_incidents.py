"""Incidents: equal failures are one, counted exactly; closed by their work's success alone; opened by the next."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from audit import queries as audit
from tests.flows.driving import AT_ONCE, TESTER, begin, call, publish, start, work
from workflows import incident_queries, operations
from workflows.core.selection import Selection
from workflows.errors import UnknownIncident
from workflows.models import Activation, DeadLetter, Incident, Run
from workflows.operations import incidents

pytestmark = pytest.mark.usefixtures("database")
ONCE = {"attempts": 1}


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """This will be the file that steps need to succeed; it does not exist yet."""
    return tmp_path / "gate"


def failing(gate: Path, *, runs: int) -> tuple[str, list[UUID]]:
    """This will be runs of one workflow that have failed for want of the gate."""
    workflow = publish({"ask": call("fail_unless", args={"path": str(gate)}, retry=ONCE)})
    ids = [start(workflow) for _ in range(runs)]
    work(*ids)
    return workflow, ids


def incident_of(workflow: str) -> Incident:
    """This will be the one incident of a workflow."""
    return Incident.objects.get(workflow_name=workflow)


def requeue_all(workflow: str, **more: float | int | bool) -> operations.Outcome:
    """This will try all open dead letters of a workflow again."""
    selection = Selection(workflow=workflow)
    return operations.requeue_matching(selection, actor=TESTER, now=timezone.now(), **more)  # type: ignore[arg-type]


def sweep() -> None:
    """This will count and settle, as a scheduler does every second."""
    incidents.sweep(now=timezone.now())


def kinds(incident: Incident) -> Sequence[str]:
    """This will be what the audit trail tells about an incident."""
    return list(audit.events_for(incident.fingerprint).values_list("kind", flat=True))


def tally(incident: Incident) -> tuple[int, int, int]:
    """This will be how many failures there are: ever, open, on trial."""
    found = incident_queries.tallies([incident])[incident.fingerprint]
    return found.total, found.open, found.pending


def test_equal_failures_are_one_incident_that_is_counted_before_and_after_the_sweep(gate: Path) -> None:
    workflow, _ = failing(gate, runs=5)
    incident = incident_of(workflow)

    before = tally(incident)
    sweep()
    incident.refresh_from_db()

    assert before == tally(incident) == (5, 5, 0)
    assert (incident.state, incident.count, incident.step, incident.kind) == ("open", 5, "ask", "unavailable")
    assert sum(incident_queries.hours([incident], now=timezone.now())[incident.fingerprint]) == 5
    assert kinds(incident) == ["incident.opened"]


def test_incident_is_resolved_only_when_all_requeued_work_has_succeeded(gate: Path) -> None:
    workflow, ids = failing(gate, runs=3)
    gate.touch()

    outcome = requeue_all(workflow)
    sweep()
    assert (outcome.matched, outcome.done, dict(outcome.skipped)) == (3, 3, {})
    assert incident_of(workflow).state == "resolving"
    work(*ids[:2])
    sweep()
    assert (incident_of(workflow).state, tally(incident_of(workflow))) == ("resolving", (3, 0, 1))
    work(ids[2])
    sweep()

    incident = incident_of(workflow)
    assert (incident.state, incident.reopened) == ("resolved", 0)
    assert set(DeadLetter.objects.filter(workflow_name=workflow).values_list("trial", flat=True)) == {"succeeded"}
    assert kinds(incident) == ["incident.opened", "incident.resolving", "incident.resolved"]


def test_incident_whose_cause_is_still_there_opens_again_and_its_count_rises(gate: Path) -> None:
    workflow, ids = failing(gate, runs=2)

    requeue_all(workflow)
    work(*ids)
    sweep()

    incident = incident_of(workflow)
    assert (incident.state, incident.count, incident.reopened) == ("open", 4, 0)
    assert tally(incident) == (4, 2, 0)
    assert kinds(incident) == ["incident.opened", "incident.resolving", "incident.failed_again"]


def test_same_failure_after_the_resolution_opens_it_again_visibly(gate: Path) -> None:
    workflow, ids = failing(gate, runs=1)
    gate.touch()
    requeue_all(workflow)
    work(*ids)
    sweep()
    assert incident_of(workflow).state == "resolved"
    gate.unlink()

    work(start(workflow))
    sweep()

    incident = incident_of(workflow)
    assert (incident.state, incident.reopened, incident.count) == ("open", 1, 2)
    assert kinds(incident)[-1] == "incident.reopened"


def test_part_that_was_requeued_leaves_the_rest_open(gate: Path) -> None:
    workflow, ids = failing(gate, runs=3)
    gate.touch()

    outcome = requeue_all(workflow, limit=1)
    assert (outcome.matched, outcome.done, outcome.has_more) == (1, 1, True)
    assert incident_of(workflow).state == "resolving"
    work(*ids)
    sweep()

    assert (incident_of(workflow).state, tally(incident_of(workflow))) == ("open", (3, 2, 0))


def test_discarding_all_failures_closes_the_incident_with_the_reason(gate: Path) -> None:
    workflow, _ = failing(gate, runs=2)
    fingerprint = incident_of(workflow).fingerprint

    outcome = operations.discard_matching(
        Selection(incident=fingerprint), actor=TESTER, now=timezone.now(), reason="paid by hand"
    )

    incident = incident_of(workflow)
    assert (outcome.matched, outcome.done) == (2, 2)
    assert (incident.state, incident.reason) == ("discarded", "paid by hand")
    assert set(DeadLetter.objects.filter(workflow_name=workflow).values_list("reason", flat=True)) == {"paid by hand"}


def test_requeued_run_that_is_cancelled_does_not_count_as_solved(gate: Path) -> None:
    workflow, ids = failing(gate, runs=1)
    requeue_all(workflow)

    operations.cancel_run(run_id=ids[0], actor=TESTER, now=timezone.now())
    sweep()

    assert incident_of(workflow).state == "discarded"
    assert DeadLetter.objects.get(run_id=ids[0]).trial == "given_up"


def test_other_failure_at_the_same_place_keeps_the_first_incident_on_trial(gate: Path) -> None:
    """The requeued work has not succeeded yet, whatever it fails with now; it has when the other incident is over."""
    workflow = publish({"ask": call("fail_unless", args={"path": str(gate)}, retry=ONCE)})
    run_id = start(workflow)
    work(run_id)
    requeue_all(workflow)
    Run.objects.filter(id=run_id).update(deadline_at=timezone.now())
    assert operations.expire_run(run_id=run_id, now=timezone.now())
    sweep()

    found = {row.step: row.state for row in Incident.objects.filter(workflow_name=workflow)}
    assert found == {"ask": "resolving", "": "open"}
    gate.touch()
    requeue_all(workflow)
    work(run_id, is_patient=False)
    sweep()

    assert {row.state for row in Incident.objects.filter(workflow_name=workflow)} == {"resolved"}


def test_runs_that_fail_by_themselves_group_too(gate: Path) -> None:
    workflow = publish({"a": call("noop")}, output="${{ input.missing }}")
    ids = [start(workflow, value={"x": number}) for number in range(3)]
    work(*ids)

    incident = incident_of(workflow)
    outcome = requeue_all(workflow)

    assert (incident.step, incident.kind, tally(incident)) == ("", "refused", (3, 3, 0))
    assert dict(outcome.skipped) == {"not_requeueable": 3}
    assert (outcome.matched, outcome.done) == (3, 0)
    assert incident_of(workflow).state == "open"


def test_run_that_fails_by_itself_behind_a_fork_has_a_dead_letter(gate: Path) -> None:
    run_id = begin(
        {"a": call("noop"), "b": call("noop"), "join": call("noop", needs=["a", "b"])}, output="${{ input.missing }}"
    )
    work(run_id)

    letter = DeadLetter.objects.get(run_id=run_id)
    assert (letter.step, letter.kind, Run.objects.get(id=run_id).state) == ("", "refused", "failed")


def test_items_of_a_for_each_are_proven_one_by_one(gate: Path) -> None:
    workflow = publish(
        {"ask": call("fail_unless", for_each=[1, 2, 3], parallel=2, args={"path": str(gate)}, retry=ONCE)}
    )
    run_id = start(workflow)
    work(run_id, is_patient=False)
    assert tally(incident_of(workflow)) == (3, 3, 0)
    gate.touch()

    requeue_all(workflow, limit=2)
    work(run_id, is_patient=False)
    sweep()
    assert (incident_of(workflow).state, tally(incident_of(workflow))) == ("open", (3, 1, 0))
    requeue_all(workflow)
    work(run_id, is_patient=False)
    sweep()

    assert incident_of(workflow).state == "resolved"
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_many_requeued_items_share_the_pullers_their_step_may_have(gate: Path) -> None:
    run_id = begin(
        {"ask": call("fail_unless", for_each=list(range(20)), parallel=2, args={"path": str(gate)}, retry=ONCE)}
    )
    work(run_id, is_patient=False)
    gate.touch()

    operations.requeue_matching(Selection(run=run_id), actor=TESTER, now=timezone.now())

    assert Run.objects.get(id=run_id).activations.count() == 2
    work(run_id, is_patient=False)
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_eight_sessions_that_open_the_same_incident_at_once_open_one(gate: Path) -> None:
    workflow = publish({"ask": call("fail_unless", args={"path": str(gate)}, retry=ONCE)})
    ids = [start(workflow) for _ in range(40)]

    def fail(part: int) -> None:
        try:
            work(*ids[part::8])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(fail, range(8)))
    sweep()

    assert tally(incident_of(workflow)) == (40, 40, 0)
    assert kinds(incident_of(workflow)) == ["incident.opened"]


def test_two_requeues_of_the_same_at_once_do_it_once(gate: Path) -> None:
    workflow, ids = failing(gate, runs=20)
    gate.touch()

    def act(_number: int) -> operations.Outcome:
        try:
            return requeue_all(workflow)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(act, range(2)))

    assert sum(outcome.done for outcome in outcomes) == 20
    assert all(outcome.matched == outcome.done + sum(outcome.skipped.values()) for outcome in outcomes)
    assert set(Run.objects.filter(id__in=ids).values_list("round", flat=True)) == {1}


def test_requeue_is_paced_by_due_times_in_the_database(gate: Path) -> None:
    workflow, ids = failing(gate, runs=4)

    requeue_all(workflow, per_second=2.0)

    letters = DeadLetter.objects.filter(run_id__in=ids).order_by("id")  # runs of one millisecond have no order
    rows = [Activation.objects.get(run_id=letter.run_id) for letter in letters]
    gaps = [(later.due_at - earlier.due_at).total_seconds() for earlier, later in pairwise(rows)]
    assert rows[0].state == "ready"
    assert {row.state for row in rows[1:]} == {"waiting"}
    assert all(0.3 < gap < 1.5 for gap in gaps), gaps


def test_dry_run_counts_and_changes_nothing(gate: Path) -> None:
    workflow, _ = failing(gate, runs=2)

    outcome = requeue_all(workflow, dry_run=True)

    assert (outcome.matched, outcome.done, dict(outcome.skipped)) == (2, 0, {"dry_run": 2})
    assert incident_of(workflow).state == "open"
    assert tally(incident_of(workflow)) == (2, 2, 0)


def test_cancelled_runs_are_skipped_and_counted(gate: Path) -> None:
    workflow = publish(
        {
            "ask": call("fail_unless", args={"path": str(gate)}, retry=ONCE),
            "other": call("fail_until", args={"attempt": 2}, retry={"first": "60s", "cap": "60s", "jitter": "none"}),
        }
    )
    ids = [start(workflow) for _ in range(2)]
    work(*ids)
    operations.cancel_run(run_id=ids[0], actor=TESTER, now=timezone.now())

    outcome = requeue_all(workflow)

    assert (outcome.matched, outcome.done, dict(outcome.skipped)) == (2, 1, {"run_cancelled": 1})


def test_owner_is_audited_and_said_once(gate: Path) -> None:
    workflow, _ = failing(gate, runs=1)
    incident = incident_of(workflow)

    for _ in range(2):
        operations.assign_incident(found=incident.fingerprint, owner="ana", actor=TESTER, now=timezone.now())

    assert incident_of(workflow).owner == "ana"
    assert kinds(incident) == ["incident.opened", "incident.assigned"]
    with pytest.raises(UnknownIncident):
        operations.assign_incident(found="0" * 16, owner="ana", actor=TESTER, now=timezone.now())


def test_retries_before_the_last_attempt_raise_nothing(gate: Path) -> None:
    workflow = publish({"ask": call("fail_until", args={"attempt": 3}, retry=AT_ONCE)})
    run_id = start(workflow)
    work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert not Incident.objects.filter(workflow_name=workflow).exists()
