"""Paused under load with real workers, a scheduler killed meanwhile: nothing further begins, and all ends once."""

from django.utils import timezone

from tests.flows.driving import AT_ONCE, TESTER, call, publish, start, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import operations
from workflows.core.pausing import PauseScope
from workflows.models import Activation


def test_platform_paused_under_load_begins_nothing_and_then_ends_everything_once(
    worker_processes: Processes, ledger: Ledger
) -> None:
    workers = [worker_processes.start_worker(env=HASTY, wait=False), worker_processes.start_io_worker(wait=False)]
    scheduler = worker_processes.start_scheduler(env=HASTY)
    for worker in workers:
        worker.wait_for_log(" ready.")
    act = call("effect", args={"ledger": str(ledger.path), "seconds": 0.01}, retry={**AT_ONCE, "attempts": 10})
    waiting = call("effect_async", args={"ledger": str(ledger.path), "seconds": 0.02}, queue="io")
    workflow = publish({"a": act, "b": {**waiting, "needs": "a"}, "c": {**act, "needs": "b"}})
    early = [start(workflow) for _ in range(60)]
    wait_until(lambda: len(ledger.entries("effect")) > 18, what="the work is under way")

    wanted = operations.PauseWanted(scope=PauseScope.PLATFORM, reason="a test")
    operations.pause(wanted, actor=TESTER, now=timezone.now())
    late = [start(workflow) for _ in range(6)]
    scheduler.kill()
    worker_processes.start_scheduler(env=HASTY, wait=False)
    wait_until(
        lambda: set(Activation.objects.values_list("wait_reason", flat=True)) == {"paused"},
        limit_s=300,
        what="all that waits is set aside",
    )

    begun = ledger.entries("begin")
    assert not {entry.run_id for entry in begun} & {str(run_id) for run_id in late}
    assert len(begun) == len(ledger.entries("effect")) < 180, "of those before, at most what was given before"
    operations.resume(scope=PauseScope.PLATFORM, actor=TESTER, now=timezone.now())
    runs = wait_for_end(*early, *late)

    assert {run.state for run in runs} == {"succeeded"}
    assert set(ledger.effects_by_key().values()) == {1}
    assert len(ledger.effects_by_key()) == 198
