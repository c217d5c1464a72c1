"""Real workers and schedulers that die around a decision: it counts once, and its run goes on."""

from django.utils import timezone

from tests.flows.driving import TESTER, begin, states, trail, wait_for_end
from tests.scenarios.conftest import HASTY
from tests.support import people
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import operations
from workflows.core.voting import Choice
from workflows.human_queries import Person
from workflows.models import Activation, HumanRequest


def test_decision_survives_the_death_of_worker_and_scheduler(worker_processes: Processes) -> None:
    group = people.group()
    ada, bob = people.person(group), people.person(group)
    worker = worker_processes.start_worker(env=HASTY, wait=False)
    scheduler = worker_processes.start_scheduler(env=HASTY)
    run_id = begin(
        {
            "ok": {"uses": "approval", "with": {"groups": [group], "approvers": 2}},
            "after": {"needs": "ok", "if": "steps.ok.output.approved", "uses": "set", "with": {"done": True}},
        }
    )

    wait_until(lambda: Activation.objects.filter(run_id=run_id, wait_reason="approval").exists(), what="it asks")
    row = HumanRequest.objects.get(run_id=run_id)

    def approve(person: Person) -> None:
        given = operations.Answer(choice=Choice.APPROVE, via="test")
        operations.answer(request_id=row.id, person=person, given=given, actor=TESTER, now=timezone.now())

    approve(ada)
    worker.kill()
    scheduler.kill()
    approve(bob)
    worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert states(run_id) == {"ok": "succeeded", "after": "succeeded"}
    assert trail(run_id).count("approval.approved") == trail(run_id).count("approval.requested") == 1


def test_expiry_comes_while_nobody_works_and_is_found_afterwards(worker_processes: Processes) -> None:
    ada = people.person()
    worker = worker_processes.start_worker(env=HASTY, wait=False)
    scheduler = worker_processes.start_scheduler(env=HASTY)
    run_id = begin({"ok": {"uses": "approval", "with": {"users": [ada.name], "expires": "2s"}}})

    wait_until(lambda: Activation.objects.filter(run_id=run_id, wait_reason="approval").exists(), what="it asks")
    worker.kill()
    scheduler.kill()
    row = HumanRequest.objects.get(run_id=run_id)
    assert row.expires_at is not None
    wait_until(lambda: timezone.now() > row.expires_at, what="its time is over")
    worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    wait_for_end(run_id)

    row.refresh_from_db()
    assert (row.state, row.output["approved"], row.output["expired"]) == ("expired", False, True)
    assert trail(run_id).count("approval.expired") == 1
