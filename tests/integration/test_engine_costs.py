"""What a run costs: how many statements, each of them one commit, and nothing read that is known."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.flows.driving import TESTER, call, claimable, publish, start, work
from workflows import operations, statements
from workflows.execution import shift
from workflows.models import Run

pytestmark = pytest.mark.usefixtures("database")


class Costs:
    """Counts hot statements by name, and everything that went through Django."""

    def __init__(self, captured: CaptureQueriesContext) -> None:
        self.hot: Counter[str] = Counter()
        self._captured = captured

    @property
    def others(self) -> Sequence[str]:
        """This will give the statements that are not hot ones."""
        return [query["sql"] for query in self._captured.captured_queries]


@pytest.fixture
def costs(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Costs]:
    """This will count from the first look at it on."""
    run = statements.run
    with CaptureQueriesContext(connection) as captured:
        counted = Costs(captured)

        def run_and_count(name: str, params: Mapping[str, object]) -> object:
            counted.hot[name] += 1
            return run(name, params)

        monkeypatch.setattr(statements, "run", run_and_count)
        yield counted


def sequence(length: int) -> str:
    """This will publish a sequence of that many steps, and run it once so that every process-wide cache is warm."""
    steps = {f"s{number}": call("noop", **({"needs": f"s{number - 1}"} if number else {})) for number in range(length)}
    workflow = publish(steps)
    shift.execute(claimable(start(workflow)))
    return workflow


@pytest.fixture
def three_steps(database: None) -> str:
    """This will be a workflow of three steps."""
    return sequence(3)


@pytest.fixture
def forty_steps(database: None) -> str:
    """This will be a workflow of forty steps."""
    return sequence(40)


def test_start_costs_one_statement_and_one_commit(three_steps: str, costs: Costs) -> None:
    start(three_steps)

    assert costs.hot == {"start_runs": 1}
    assert costs.others == []


def test_run_of_three_steps_costs_one_claim_and_one_commit_for_each_step(three_steps: str, costs: Costs) -> None:
    run_id = start(three_steps)
    refs = claimable(run_id)
    costs.hot.clear()

    shift.execute(refs)

    assert costs.hot == {"claim": 1, "advance_one": 2, "finish": 1}
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_run_of_forty_steps_costs_one_claim_and_forty_commits(forty_steps: str, costs: Costs) -> None:
    run_id = start(forty_steps)
    refs = claimable(run_id)
    costs.hot.clear()
    before = len(costs.others)

    shift.execute(refs)

    assert costs.hot == {"claim": 1, "advance_one": 39, "finish": 1}
    assert len(costs.others) == before


def test_slot_is_handed_on_in_one_statement_and_one_commit(costs: Costs) -> None:
    name = f"limit-{uuid4().hex[:12]}"
    _set_limit(name, capacity=1)
    workflow = publish({"only": call("noop", limits=[name])})
    shift.execute(claimable(start(workflow)))
    _set_limit(name, capacity=0)
    runs = [start(workflow) for _ in range(3)]
    work(*runs)
    _set_limit(name, capacity=1)
    refs = claimable(*runs)
    costs.hot.clear()
    before = len(costs.others)

    shift.execute(refs)

    assert costs.hot == {"claim": 1, "take_slots": 1, "finish": 3, "hand_on": 3}
    assert len(costs.others) == before


def test_run_that_takes_a_slot_pays_for_it_and_a_bounded_number_of_statements(costs: Costs) -> None:
    workflow = publish({"only": call("noop")}, concurrency={"limit": 2})
    shift.execute(claimable(start(workflow)))
    costs.hot.clear()
    before = len(costs.others)

    run_id = start(workflow)

    assert costs.hot == {"find_release": 1, "hold_gates": 1, "start_runs": 1}
    assert len(costs.others) - before <= 6
    before = len(costs.others)
    shift.execute(claimable(run_id))
    assert Run.objects.get(id=run_id).state == "succeeded"
    assert len(costs.others) - before <= 18


def test_run_that_is_only_throttled_ends_like_any_other(costs: Costs) -> None:
    workflow = publish({"only": call("noop")}, throttle={"limit": 1000, "period": "1s"})
    shift.execute(claimable(start(workflow)))
    refs = claimable(start(workflow))
    costs.hot.clear()

    shift.execute(refs)

    assert costs.hot == {"claim": 1, "finish": 1}


def test_short_runs_that_are_woken_together_share_their_commits(three_steps: str, costs: Costs) -> None:
    ids: list[UUID] = [start(three_steps) for _ in range(8)]
    refs = claimable(*ids)
    costs.hot.clear()

    shift.execute(refs)

    assert set(Run.objects.filter(id__in=ids).values_list("state", flat=True)) == {"succeeded"}
    assert costs.hot["claim"] == 1
    commits = costs.hot["advance"] + costs.hot["advance_one"] + costs.hot["finish"]
    assert commits < 20, "8 runs of 3 steps alone take 24 commits"


def test_items_of_one_puller_share_their_commits(costs: Costs) -> None:
    run_id = start(publish({"map": call("noop", for_each=list(range(400)))}))
    refs = claimable(run_id)
    costs.hot.clear()

    shift.execute(refs)
    work(run_id)  # on a slow machine the puller makes way before its items have ended

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert costs.hot["end_items"] < 200
    assert costs.hot["take_items"] < 120


def _set_limit(name: str, *, capacity: int) -> None:
    operations.set_limit(name=name, capacity=capacity, actor=TESTER, now=timezone.now())
