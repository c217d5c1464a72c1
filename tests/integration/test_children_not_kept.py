"""Runs and the steps that started them, when retention has taken one of the two."""

from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows import driving
from tests.flows.driving import TESTER, call
from workflows import explaining, operations
from workflows.models import ChildRun, DeadLetter, Item, Run, Step

pytestmark = pytest.mark.usefixtures("database")


def child_of(run_id: UUID) -> UUID:
    """This will give the run that a step of this one has started."""
    return ChildRun.objects.get(parent_id=run_id).child_id


def forget(run_id: UUID) -> None:
    """This will let a run go, as retention does, before what hangs on it from elsewhere."""
    Step.objects.filter(run_id=run_id).delete()
    Item.objects.filter(run_id=run_id).delete()
    Run.objects.filter(id=run_id).delete()


def test_step_whose_run_is_not_kept_any_more_says_so() -> None:
    run_id = driving.begin({"child": {"uses": "workflow", "with": {"name": driving.publish({"one": call("noop")})}}})
    driving.work(run_id)
    child_id = child_of(run_id)
    driving.work(child_id)
    forget(child_id)

    (reason,) = explaining.explain(Run.objects.get(id=run_id)).reasons
    driving.work(run_id)

    assert list(reason.ahead) == [f"run {child_id}, which is not kept any more"]
    letter = DeadLetter.objects.get(run_id=run_id)
    assert (letter.kind, letter.attempts) == ("refused", 1)
    error = Run.objects.get(id=run_id).error
    assert error is not None
    assert "is not kept any more: nobody can tell what it came to" in str(error["message"])


def test_run_ends_though_the_one_that_began_it_is_not_kept_any_more() -> None:
    name = driving.publish({"pause": {"uses": "wait", "with": {"for": "1d"}}})
    step = {"uses": "workflow", "with": {"name": name, "on_parent_end": "abandon"}}
    run_id = driving.begin({"child": {**step, "for_each": [1]}})
    driving.work(run_id)
    child_id = child_of(run_id)
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    forget(run_id)

    driving.work(child_id, is_patient=False)

    assert Run.objects.get(id=child_id).state == "succeeded"
