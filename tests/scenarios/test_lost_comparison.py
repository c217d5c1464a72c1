"""A worker that dies in the middle of a comparison: it is made anew, and applied once."""

from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from django.utils import timezone

from audit import queries as audit
from reconciliation import operations
from reconciliation.models import Comparison, Variance
from tests.flows.driving import TESTER, wait_for_end
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("dispatcher")


def test_comparison_is_made_anew_where_its_worker_was_killed(worker_processes: Processes, tmp_path: Path) -> None:
    began, gate = tmp_path / "began", tmp_path / "gate"
    name = f"job-{uuid4().hex[:12]}"
    left = {"function": {"call": "flows.gated", "args": {"began": str(began), "gate": str(gate)}}}
    right = {"function": {"call": "flows.alone"}}
    document = {"name": name, "left": left, "right": right, "key": "id", "fields": {"total": "number"}}
    operations.publish(source=orjson.dumps(document).decode(), actor=TESTER, now=timezone.now())
    first = worker_processes.start_worker(env=HASTY, wait=False)
    started = operations.start(name=name, is_dry_run=False, actor=TESTER, now=timezone.now())
    wait_until(began.exists, what="the comparison reads")

    first.kill()
    worker_processes.start_worker(env=HASTY, wait=False)
    wait_until(lambda: len(began.read_text().splitlines()) == 2, what="another worker reads from the beginning")
    assert not Variance.objects.filter(job__name=name).exists()
    gate.touch()
    (run,) = wait_for_end(started.run_id)

    comparison = Comparison.objects.get(job__name=name)
    assert (run.state, comparison.run_id, comparison.epoch, comparison.found) == ("succeeded", run.id, 2, 2)
    found = Variance.objects.filter(job__name=name).order_by("key")
    assert [(one.key, one.kind, one.seen) for one in found] == [("a", "differs", 1), ("b", "missing_right", 1)]
    kinds = list(audit.events_for(name).values_list("kind", flat=True))
    assert kinds == ["reconciliation.published", "reconciliation.compared"]
