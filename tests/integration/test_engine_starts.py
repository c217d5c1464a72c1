"""How runs begin: all or none, once per key, together with the caller's own changes, or not at all."""

import threading
from collections.abc import Mapping
from uuid import uuid4

import orjson
import pytest
from django.db import connections, transaction
from django.utils import timezone

from tests.flows.driving import TESTER, call, publish, start, trail, work
from workflows import operations, plans
from workflows.errors import InputInvalid, StartKeyReused, UnknownWorkflow, WorkflowDisabled
from workflows.models import Activation, Run, Workflow, WorkflowVersion
from workflows.operations import Start

pytestmark = pytest.mark.usefixtures("database")
STEPS = {"only": call("noop")}


def test_start_stores_the_run_its_first_activation_and_its_event() -> None:
    run_id = start(publish(STEPS), value={"a": 1}, correlation_id="order-7", priority=3)

    run = Run.objects.get(id=run_id)
    activation = Activation.objects.get(run_id=run_id)
    assert (run.state, run.input, run.correlation_id, run.priority) == ("running", {"a": 1}, "order-7", 3)
    assert (activation.state, activation.wait_reason, activation.priority) == ("ready", "worker", 3)
    assert run.started_by == str(TESTER)
    assert trail(run_id) == ["run.started"]


def test_start_makes_every_step_ready_that_waits_for_nothing() -> None:
    run_id = start(publish({"a": call("noop"), "b": call("noop"), "c": call("noop", needs=["a", "b"])}))

    assert Activation.objects.filter(run_id=run_id).count() == 2


def test_start_leaves_nothing_when_the_callers_transaction_is_rolled_back() -> None:
    workflow = publish(STEPS)

    with transaction.atomic():
        run_id = start(workflow)
        transaction.set_rollback(True)

    assert not Run.objects.filter(workflow_name=workflow).exists()
    assert not Activation.objects.filter(run_id=run_id).exists()
    assert trail(run_id) == []


def test_start_inside_the_callers_transaction_begins_the_run_when_it_commits() -> None:
    workflow = publish(STEPS)
    with transaction.atomic():
        run_id = start(workflow)

    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"


def test_start_with_a_known_key_gives_the_run_that_has_it() -> None:
    workflow, key = publish(STEPS), f"test:{uuid4()}"
    first = start(workflow, value=1, key=key)

    again = operations.start_run(workflow=workflow, start=Start(input=1, key=key), actor=TESTER, now=timezone.now())

    assert (again.run_id, again.is_new) == (first, False)
    assert Run.objects.filter(workflow_name=workflow).count() == 1
    assert Activation.objects.filter(run_id=first).count() == 1
    assert trail(first) == ["run.started"]


def test_start_with_a_known_key_is_refused_for_another_input() -> None:
    workflow, key = publish(STEPS), f"test:{uuid4()}"
    start(workflow, value=1, key=key)

    with pytest.raises(StartKeyReused):
        start(workflow, value=2, key=key)

    assert Run.objects.filter(workflow_name=workflow).count() == 1


def test_batch_starts_all_runs_in_their_order() -> None:
    workflow = publish(STEPS)

    started = operations.start_runs(
        workflow=workflow, starts=[Start(input=number) for number in range(50)], actor=TESTER, now=timezone.now()
    )

    runs = Run.objects.in_bulk([one.run_id for one in started])
    assert [runs[one.run_id].input for one in started] == list(range(50))
    assert all(one.is_new for one in started)
    assert Activation.objects.filter(run_id__in=runs).count() == 50


def test_batch_starts_one_run_for_a_key_that_comes_twice_in_it() -> None:
    workflow, key = publish(STEPS), f"test:{uuid4()}"

    first, second = operations.start_runs(
        workflow=workflow, starts=[Start(key=key), Start(key=key)], actor=TESTER, now=timezone.now()
    )

    assert first.run_id == second.run_id
    assert [first.is_new, second.is_new].count(True) == 1
    assert Run.objects.filter(workflow_name=workflow).count() == 1


def test_batch_starts_none_when_one_key_was_used_for_another_request() -> None:
    workflow, key = publish(STEPS), f"test:{uuid4()}"
    start(workflow, value=1, key=key)

    with pytest.raises(StartKeyReused):
        operations.start_runs(
            workflow=workflow, starts=[Start(input=3), Start(input=2, key=key)], actor=TESTER, now=timezone.now()
        )

    assert Run.objects.filter(workflow_name=workflow).count() == 1


def test_start_refuses_an_input_that_does_not_match_the_schema() -> None:
    workflow = publish(STEPS, input={"type": "object", "required": ["total"]})

    with pytest.raises(InputInvalid) as refused:
        start(workflow, value={})

    assert "total" in str(refused.value)
    assert not Run.objects.filter(workflow_name=workflow).exists()


@pytest.mark.parametrize("value", ["a\0b", {"deep": [{"key": "\0"}]}, {"k\0": 1}, "\ud800"])
def test_start_refuses_an_input_that_the_database_cannot_store(value: object) -> None:
    workflow = publish(STEPS)

    with pytest.raises(InputInvalid):
        start(workflow, value=value)  # type: ignore[arg-type]  # it is JSON, only of a kind nobody wants

    assert not Run.objects.filter(workflow_name=workflow).exists()


def test_start_refuses_an_unknown_workflow() -> None:
    with pytest.raises(UnknownWorkflow):
        start("there-is-none")


def test_start_refuses_a_disabled_workflow_and_takes_it_when_enabled_again() -> None:
    workflow = publish(STEPS)
    operations.set_enabled(name=workflow, is_enabled=False, actor=TESTER, now=timezone.now())

    with pytest.raises(WorkflowDisabled):
        start(workflow)
    operations.set_enabled(name=workflow, is_enabled=True, actor=TESTER, now=timezone.now())

    assert start(workflow) is not None


def test_run_keeps_the_version_it_started_on(database: None) -> None:
    name = publish({"only": {"uses": "set", "with": {"version": 1}}}, output="${{ steps.only.output }}")
    run_id = start(name)
    source = f"{{name: {name}, steps: {{only: {{uses: set, with: {{version: 2}}}}}}, output: 'new'}}"
    operations.publish(source=source, actor=TESTER, now=timezone.now())

    work(run_id)

    assert Run.objects.get(id=run_id).output == {"version": 1}


def test_start_takes_the_version_that_another_process_has_just_published() -> None:
    workflow = publish(STEPS)
    start(workflow)

    newest = _published_elsewhere(workflow, steps={"other": call("noop")})

    assert Run.objects.get(id=start(workflow)).version_id == newest
    assert Run.objects.get(id=start(workflow)).version_id == newest


def test_start_judges_the_input_by_the_version_that_another_process_has_just_published() -> None:
    workflow = publish(STEPS, input={"type": "integer"})
    start(workflow, value=1)

    newest = _published_elsewhere(workflow, steps=STEPS, input={"type": "string"})

    assert Run.objects.get(id=start(workflow, value="a")).version_id == newest
    with pytest.raises(InputInvalid):
        start(workflow, value=1)
    assert Run.objects.filter(workflow_name=workflow).count() == 2


def test_start_is_refused_when_another_process_has_just_disabled_the_workflow() -> None:
    workflow = publish(STEPS)
    start(workflow)

    Workflow.objects.filter(name=workflow).update(is_enabled=False)

    with pytest.raises(WorkflowDisabled):
        start(workflow)
    assert Run.objects.filter(workflow_name=workflow).count() == 1


def test_start_forgets_a_version_whose_publication_was_rolled_back() -> None:
    workflow = publish(STEPS)
    with transaction.atomic():
        _published_elsewhere(workflow, steps={"other": call("noop")})
        start(workflow)
        transaction.set_rollback(True)
    plans.program_of.cache_clear()

    run = Run.objects.get(id=start(workflow))

    assert run.version.number == 1


def test_racing_starts_never_begin_on_a_version_older_than_one_published_before_them() -> None:
    workflow = publish(STEPS)
    published = [Run.objects.get(id=start(workflow)).version.number]
    wrong: list[tuple[int, int]] = []
    is_over = threading.Event()

    def keep_starting() -> None:
        while not is_over.is_set():
            least = published[-1]
            number = Run.objects.get(id=start(workflow)).version.number
            if number < least:
                wrong.append((number, least))
        connections.close_all()

    threads = [threading.Thread(target=keep_starting) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(15):
        version_id = _published_elsewhere(workflow, steps={f"s{number}": call("noop")})
        published.append(WorkflowVersion.objects.get(id=version_id).number)
    is_over.set()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert published[-1] == 16


def _published_elsewhere(workflow: str, *, steps: Mapping[str, object], **more: object) -> int:
    """Publishing tells this process's starts nothing, exactly as when another process does it."""
    source = orjson.dumps({"name": workflow, "steps": steps, **more}).decode()
    version, _ = operations.publish(source=source, actor=TESTER, now=timezone.now())
    return version.id
