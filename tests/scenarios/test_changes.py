"""What people change while everybody dies: a retry, a result set by hand, a move, a promotion, a rollback by rule."""

from contextlib import suppress
from pathlib import Path
from threading import Event as Signal

import orjson
from django.db import Error, connection, transaction
from django.utils import timezone

from audit import queries as audit
from tests.flows.driving import TESTER, aside, call, publish, start, trail, wait_for_end, work
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import operations, releases
from workflows.core.canary import Rule
from workflows.core.retry_plan import RetryFrom
from workflows.models import Activation, Release, Run, Step, Workflow

REST: dict[str, object] = {"rest": {"uses": "wait", "with": {"for": "1d"}}}


def publish_next(name: str, steps: dict[str, object], *, canary: operations.Canary | None = None) -> None:
    """This will publish another version of a workflow."""
    source = orjson.dumps({"name": name, "steps": steps}).decode()
    operations.publish(source=source, actor=TESTER, now=timezone.now(), canary=canary)


def current(name: str) -> Release:
    """This will be the release of a workflow that is in use."""
    found = releases.find_current(Workflow.objects.get(name=name))
    assert found is not None
    return found


def changes_of(name: str) -> list[str]:
    """This will give the kinds of a workflow's audit events behind its publications."""
    kinds = audit.events_for(name).filter(subject_type="workflow").values_list("kind", flat=True)
    return [kind for kind in kinds if kind != "workflow.published"]


def test_what_was_changed_goes_on_though_everybody_dies(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    act = {"ledger": str(ledger.path)}
    stuck = call("fail_unless", args={"path": str(tmp_path / "open")}, retry={"attempts": 1}, needs="done")
    failing = publish(
        {"done": call("effect", args=act), "stuck": stuck, "last": call("effect", args=act, needs="stuck")}
    )
    held = call("effect", args={**act, "gate": str(tmp_path / "never")})
    holding = publish({"held": held, "after": call("effect", args=act, needs="held")})
    moving = publish(REST)
    worker = worker_processes.start_worker(env=HASTY, wait=False)
    scheduler = worker_processes.start_scheduler(env=HASTY)
    failed, moved = start(failing), start(moving)
    wait_until(lambda: Run.objects.get(id=failed).state == "failed", what="one has failed")
    wait_until(lambda: trail(moved).count("step.parked"), what="one waits")
    set_by_hand = start(holding)
    wait_until(lambda: ledger.entries("begin", step="held"), what="the worker has the step in its hands")

    scheduler.pause()
    (tmp_path / "open").touch()
    wanted = operations.RetryWanted(start=RetryFrom.STEP, step="stuck")
    retried = operations.retry_run(run_id=failed, wanted=wanted, actor=TESTER, now=timezone.now()).run_id
    assert retried is not None
    result = operations.SetResult(step="held", output=7, reason="done by hand")
    operations.set_result(run_id=set_by_hand, wanted=result, actor=TESTER, now=timezone.now())
    publish_next(moving, {**REST, "new": call("effect", args=act)})
    operations.move_run(run_id=moved, version=2, actor=TESTER, now=timezone.now())
    scheduler.kill()  # before it has dispatched anything of that
    worker.kill()  # with a step in its hands whose result is another one now
    worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    runs = wait_for_end(retried, set_by_hand)
    wait_until(
        lambda: Step.objects.filter(run_id=moved, step="new").exists(), limit_s=40, what="the new step has ended"
    )

    assert [run.state for run in runs] == ["succeeded", "succeeded"]
    assert Step.objects.get(run_id=set_by_hand, step="held").output == 7
    assert sorted(entry.step for entry in ledger.entries("effect")) == ["after", "done", "last", "new"]
    assert (trail(failed).count("run.retried"), trail(set_by_hand).count("result.set")) == (1, 1)
    assert trail(moved).count("run.moved") == 1
    (rest,) = Activation.objects.filter(run_id=moved)
    assert (rest.wait_reason, rest.due_at > timezone.now()) == ("timer", True)


def test_promotion_is_whole_or_not_there_and_of_two_schedulers_one_rolls_back(worker_processes: Processes) -> None:
    bad = {"only": call("fail_on", args={"value": 1, "bad": 1}, retry={"attempts": 1})}
    name = publish({"only": call("noop")})
    publish_next(name, bad, canary=operations.Canary(percent=100, rule=Rule(failed_percent=50, after_runs=3)))
    schedulers = [worker_processes.start_scheduler(env=HASTY) for _ in range(2)]
    is_held, may_end = Signal(), Signal()

    def promote_and_die() -> None:
        with suppress(Error), transaction.atomic(), connection.cursor() as cursor:
            operations.promote(workflow=name, actor=TESTER, now=timezone.now())
            is_held.set()
            may_end.wait(120)
            cursor.execute("select pg_terminate_backend(pg_backend_pid())")

    dying = aside(promote_and_die)
    assert is_held.wait(120)
    runs = [start(name) for _ in range(2)]  # nobody waits for a promotion
    may_end.set()
    dying.join(120)
    assert (changes_of(name), current(name).canary is None) == (["canary.begun"], False)
    schedulers[0].kill()
    runs.append(start(name))
    work(*runs)
    wait_until(lambda: current(name).canary is None, what="the rule has taken the canary back")

    assert changes_of(name) == ["canary.begun", "canary.rolled_back"]
    last = start(name)
    assert (current(name).cause, Run.objects.get(id=last).version.number) == ("rolled_back", 1)
