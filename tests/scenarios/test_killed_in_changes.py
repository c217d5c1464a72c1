"""Everybody killed while runs are retried, and while work is paused: nothing is said or begun too early."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from django.db import transaction
from django.utils import timezone
from pytest_httpserver import HTTPServer

from tests.flows.driving import AT_ONCE, TESTER, begin, call, publish, start, states, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.killing import Play, Scene, Stage, Troupe, killed
from tests.support.calling import charge, shop_at
from tests.support.waiting import wait_until
from workflows import operations, retries
from workflows.core.pausing import PauseScope
from workflows.core.retry_plan import RetryFrom
from workflows.core.run_selection import RunSelection
from workflows.models import Activation, DeadLetter, Incident, Pause, Run
from workflows.operations import EditedInput, RetryWanted


def _steps(on: Stage, **more: object) -> dict[str, object]:
    bad = call("fail_on", args={"value": "${{ input.v }}", "bad": 1}, needs="done")
    return {
        "done": call("effect", args=on.act),
        "bad": bad,
        "last": call("effect", args=on.act, needs="bad", retry=AT_ONCE),
        **more,
    }


def _failed(on: Stage) -> UUID:
    run_id = begin(_steps(on), value={"v": 1})
    wait_for_end(run_id)
    assert DeadLetter.objects.get(run_id=run_id).state == "open"
    return run_id


def _retried(on: Stage, run_id: UUID, kind: str, **wanted: object) -> UUID:
    """Retry a run; its worker stands still where the retry ends, and has not said so."""
    with transaction.atomic():
        asked = RetryWanted(**wanted)  # type: ignore[arg-type]  # its fields, by name
        done = operations.retry_run(run_id=run_id, wanted=asked, actor=TESTER, now=timezone.now())
        assert done.run_id is not None
        on.stop(kind, done.run_id)
    on.standstill.wait_for(on.stops[-1])
    return done.run_id


def _incident(run_id: UUID) -> Incident:
    return Incident.objects.get(fingerprint=DeadLetter.objects.get(run_id=run_id).fingerprint)


def _said(run_id: UUID) -> tuple[str, str]:
    """What is said of a failed run: the standing of its retry, and that of the trial of its dead letter."""
    return retries.standing_of([run_id])[run_id], DeadLetter.objects.get(run_id=run_id).trial


def edited_retry_has_succeeded_only_then(on: Stage) -> Scene:
    """With another input: what was done is taken over, and the rest is done."""
    run_id = _failed(on)
    new = _retried(on, run_id, "run.succeeded", edited=EditedInput({"v": 2}))
    assert (_said(run_id), _incident(run_id).state) == (("retrying", "pending"), "resolving")
    yield
    wait_for_end(new)
    assert (_said(run_id), trail(new).count("run.succeeded")) == (("succeeded", "succeeded"), 1)
    wait_until(lambda: _incident(run_id).state == "resolved", what="its incident is over")
    assert (Run.objects.get(id=run_id).state, on.done(new)) == ("failed", ["last"])
    on.check_lost(new, "last")


def retry_from_a_step_does_nothing_before_it(on: Stage) -> Scene:
    """From a step of a run that has succeeded."""
    run_id = begin(_steps(on), value={"v": 2})
    wait_for_end(run_id)
    new = _retried(on, run_id, "run.succeeded", start=RetryFrom.STEP, step="last")
    assert retries.standing_of([run_id]) == {run_id: "retrying"}
    yield
    wait_for_end(new)
    assert retries.standing_of([run_id]) == {run_id: "succeeded"}
    assert states(new) == dict.fromkeys(("done", "bad", "last"), "succeeded")
    assert on.done(new) == ["last"]
    on.check_lost(new, "last")


def retry_on_the_newest_version_keeps_to_it(on: Stage) -> Scene:
    """On a version that was published after the run had failed."""
    run_id = _failed(on)
    name = Run.objects.get(id=run_id).workflow_name
    document = {"name": name, "steps": _steps(on, bad=call("echo", args={"value": 3}, needs="done"))}
    operations.publish(source=orjson.dumps(document).decode(), actor=TESTER, now=timezone.now())
    new = _retried(on, run_id, "run.succeeded", start=RetryFrom.STEP, step="bad", on_newest=True)
    assert _said(run_id) == ("retrying", "pending")
    yield
    (run,) = wait_for_end(new)
    assert (_said(run_id), run.version.number, on.done(new)) == (("succeeded", "succeeded"), 2, ["last"])
    on.check_lost(new, "last")


def retry_that_fails_again_says_so(on: Stage) -> Scene:
    """With the input that had failed before: it is never said that it succeeded."""
    run_id = _failed(on)
    new = _retried(on, run_id, "run.failed", start=RetryFrom.START)
    assert _said(run_id) == ("retrying", "pending")
    yield
    wait_for_end(new)
    assert _said(run_id) == ("failed", "failed")
    wait_until(lambda: _incident(run_id).state == "open", what="its incident is open again")
    assert DeadLetter.objects.filter(run_id=new, state="open").count() == trail(new).count("run.failed") == 1


def bulk_of_retries_is_whole(on: Stage) -> Scene:
    """Many at once, each where it had failed: the killed one is brought to its end like the others."""
    gate = on.directory / "open"
    workflow = publish(
        {
            "done": call("effect", args=on.act),
            "bad": call("fail_unless", args={"path": str(gate)}, needs="done", retry={"attempts": 1}),
            "last": call("effect", args=on.act, needs="bad", retry=AT_ONCE),
        }
    )
    ids = [start(workflow) for _ in range(3)]
    wait_for_end(*ids)
    gate.touch()
    with transaction.atomic():
        many = RunSelection(workflow=workflow)
        wanted = RetryWanted()
        counted = operations.retry_matching(many, wanted=wanted, actor=TESTER, now=timezone.now(), per_second=1000)
        on.stop("run.succeeded", ids[1])
    assert (counted.matched, counted.done, counted.skipped) == (3, 3, {})
    yield
    runs = wait_for_end(*ids)
    assert [run.state for run in runs] == ["succeeded"] * 3
    assert all(trail(run_id).count("run.succeeded") == 1 for run_id in ids)
    assert [on.done(run_id) for run_id in ids] == [["done", "last"]] * 3
    on.check_lost(ids[1], "last")
    letters = DeadLetter.objects.filter(run_id__in=ids)
    assert set(letters.values_list("trial", flat=True)) == {"succeeded"}


PLAYS: Mapping[str, Play] = {
    play.__name__: play
    for play in (
        edited_retry_has_succeeded_only_then,
        retry_from_a_step_does_nothing_before_it,
        retry_on_the_newest_version_keeps_to_it,
        retry_that_fails_again_says_so,
        bulk_of_retries_is_whole,
    )
}


@pytest.fixture(scope="module")
def fallen(troupe: Troupe, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """This will be all plays behind the death of everybody."""
    directory = tmp_path_factory.mktemp("stage")
    with killed(PLAYS, troupe=troupe, directory=directory, is_kept=False) as made:
        yield made


@pytest.mark.parametrize("play", PLAYS)
def test_retry_says_that_it_succeeded_when_it_has(fallen: Stage, play: str) -> None:
    fallen.judge(play)


def _pause(scope: PauseScope, name: str) -> None:
    wanted = operations.PauseWanted(scope=scope, name=name, reason="a test")
    operations.pause(wanted, actor=TESTER, now=timezone.now())


def _resume(scope: PauseScope, name: str) -> None:
    operations.resume(scope=scope, name=name, actor=TESTER, now=timezone.now())


@pytest.fixture
def _nothing_paused(database: None) -> Iterator[None]:
    """This will leave nothing paused."""
    yield
    for row in Pause.objects.all():
        _resume(PauseScope(row.scope), row.name)


@pytest.mark.usefixtures("_nothing_paused")
def test_what_is_paused_stays_paused_though_everybody_dies(
    troupe: Troupe, tmp_path: Path, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/charges").respond_with_json({})
    ledger, gate = Ledger(tmp_path / "ledger"), tmp_path / "gate"
    held = call("effect", args={"ledger": str(ledger.path), "gate": str(gate)}, retry=AT_ONCE)
    behind = call("effect", args={"ledger": str(ledger.path)}, needs="a")
    shop = shop_at(httpserver.url_for("/"))
    ids = {
        scope: begin({"a": held, "b": behind}) for scope in (PauseScope.RUN, PauseScope.WORKFLOW, PauseScope.PLATFORM)
    }
    ids[PauseScope.CONNECTION] = begin({"a": held, "charge": charge(shop, needs="a")["charge"]})
    wait_until(lambda: len(ledger.entries("begin")) == 4, what="the worker has all of them in its hands")

    names = {
        PauseScope.PLATFORM: "",
        PauseScope.RUN: str(ids[PauseScope.RUN]),
        PauseScope.WORKFLOW: Run.objects.get(id=ids[PauseScope.WORKFLOW]).workflow_name,
        PauseScope.CONNECTION: shop,
    }
    for scope, name in names.items():
        _pause(scope, name)
    for one in troupe.alive:
        one.kill()
    begun = len(ledger.entries("begin"))
    gate.touch()
    troupe.come()
    rows = Activation.objects.filter(run_id__in=ids.values())
    wait_until(
        lambda: set(rows.values_list("wait_reason", flat=True)) == {"paused"},
        what="what the dead had in their hands is set aside",
    )
    assert len(ledger.entries("begin")) == begun, "nothing has begun again"

    ended = [_ends_when_resumed(scope, name, ids=ids) for scope, name in names.items()]

    assert ended == list(names)
    assert {run.state for run in Run.objects.filter(id__in=ids.values())} == {"succeeded"}
    assert (len(ledger.effects_by_key()), len(httpserver.log)) == (7, 1)
    assert len(ledger.entries("begin", step="a")) >= begun + 4, "all four were in the hands of the dead"


def _ends_when_resumed(scope: PauseScope, name: str, *, ids: Mapping[PauseScope, UUID]) -> PauseScope:
    """The run of a scope ends when it is resumed; those that are still paused have not gone on."""
    running = Run.objects.filter(id__in=ids.values(), state="running")
    before = running.count()
    _resume(scope, name)
    wait_for_end(ids[scope])
    assert running.count() == before - 1
    return scope
