"""What a run costs: how many statements, each of them one commit, and nothing read that is known."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.flows.driving import call, claimable, publish, start
from workflows import statements
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

    assert costs.hot == {"claim": 1, "advance": 2, "finish": 1}
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_run_of_forty_steps_costs_one_claim_and_forty_commits(forty_steps: str, costs: Costs) -> None:
    run_id = start(forty_steps)
    refs = claimable(run_id)
    costs.hot.clear()
    before = len(costs.others)

    shift.execute(refs)

    assert costs.hot == {"claim": 1, "advance": 39, "finish": 1}
    assert len(costs.others) == before


def test_short_runs_that_are_woken_together_share_their_commits(three_steps: str, costs: Costs) -> None:
    ids: list[UUID] = [start(three_steps) for _ in range(8)]
    refs = claimable(*ids)
    costs.hot.clear()

    shift.execute(refs)

    assert set(Run.objects.filter(id__in=ids).values_list("state", flat=True)) == {"succeeded"}
    assert costs.hot["claim"] == 1
    assert costs.hot["advance"] + costs.hot["finish"] <= 12, "8 runs of 3 steps alone take 24 commits"


def test_items_of_one_puller_share_their_commits(costs: Costs) -> None:
    run_id = start(publish({"map": call("noop", for_each=list(range(400)))}))
    refs = claimable(run_id)
    costs.hot.clear()

    shift.execute(refs)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert costs.hot["end_items"] < 100
    assert costs.hot["take_items"] < 60
