"""Retention as people meet it: the command, the real history of runs and of the trail, and who may hold what."""

from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from audit import queries as audit
from retention import classes, queries
from retention.core.policy import Verdict
from retention.queries import Judged
from tests.flows.driving import call, publish, start, work
from workflows.models import DeadLetter, Run

pytestmark = pytest.mark.usefixtures("database")
LATER = datetime(2039, 1, 15, tzinfo=UTC)


def automation(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """This will run a command and give what it prints."""
    capsys.readouterr()
    call_command("automation", *arguments)
    return capsys.readouterr().out


def earlier(name: str) -> Judged:
    """This will judge the first month of a class as it will be in many years, changing nothing."""
    data = next(one for one in classes.registered() if one.name == name)
    return queries.plan_of(data, now=LATER)[0]


def test_these_are_the_classes_there_are() -> None:
    assert [data.name for data in classes.registered()] == ["audit", "calls", "events", "runs", "webhooks"]


def test_run_under_way_keeps_its_month() -> None:
    start(publish({"only": call("noop")}))

    judged = earlier("runs")

    assert judged.verdict is Verdict.BUSY
    assert judged.facts is not None
    assert judged.facts.busy == Run.objects.filter(state="running").count()


def test_failed_run_that_nobody_has_answered_is_kept() -> None:
    before = earlier("runs").facts
    run_id = start(publish({"only": call("fail_on", args={"value": 1, "bad": 1}, retry={"attempts": 1})}))
    work(run_id)
    assert DeadLetter.objects.filter(run_id=run_id, state="open").count() == 1

    after = earlier("runs").facts

    assert before is not None
    assert after is not None
    assert after.kept == before.kept + 1


def test_hold_of_a_workflow_keeps_its_runs_and_their_events(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = publish({"only": call("noop")})
    runs = [start(workflow) for _ in range(2)]
    for run_id in runs:
        work(run_id)
    before = {name: earlier(name).facts for name in ("runs", "audit")}

    placed = automation(capsys, "retention", "hold", "--workflow", workflow, "--reason", "case 7")
    number = placed.split()[1].rstrip(":")
    after = {name: earlier(name).facts for name in ("runs", "audit")}
    listed = automation(capsys, "retention", "holds")
    automation(capsys, "retention", "release", number, "--reason", "settled")

    events = audit.events_for(workflow).count() + sum(audit.events_for(str(run_id)).count() for run_id in runs)
    assert workflow in listed
    assert after["runs"].kept == before["runs"].kept + 2  # type: ignore[union-attr]
    assert after["audit"].kept == before["audit"].kept + events  # type: ignore[union-attr]
    assert earlier("runs").facts == before["runs"]


def test_status_lists_months_and_finds_nothing_missing(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with suppress(SystemExit):  # rows of other tests may lie in the default partition
        call_command("automation", "retention", "status", "--json")
    status = orjson.loads(capsys.readouterr().out)

    assert {(one["history"], one["month"]) for one in status["months"]} >= {("runs", "earlier"), ("audit", "earlier")}
    assert {one["verdict"] for one in status["months"]} == {"young"}
    assert not [problem for problem in status["problems"] if "has no partition" in problem]
    assert queries.missing(now=timezone.now()) == []


def test_plan_says_when_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert automation(capsys, "retention", "run", "--dry-run").startswith("no month has come to its end\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hold", "--run", "7", "--reason", "x"], "value: '7' is not the id of a run"),
        (["hold", "--workflow", "x", "--reason", " "], "reason: is missing"),
        (["hold", "--workflow", "x", "--reason", "x", "--until", "2001-01-01"], "until: 2001-01-01 00:00 is past"),
        (["hold", "--workflow", "x", "--reason", "x", "--until", "soon"], "'soon' is no date like 2030-12-31"),
        (["hold", "--reason", "x"], "one of the arguments --run --workflow --correlation is required"),
        (["release", "999999", "--reason", "x"], "there is no hold 999999"),
    ],
)
def test_wrong_request_is_answered_in_one_line(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words) as refused:
        call_command("automation", "retention", *arguments)

    assert refused.value.returncode == 2
    assert "\n" not in str(refused.value)


def test_hold_is_audited_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    run_id = str(uuid4())

    number = automation(capsys, "retention", "hold", "--run", run_id, "--reason", "case 8").split()[1].rstrip(":")
    automation(capsys, "retention", "release", number, "--reason", "settled")

    events = list(audit.events_for(f"hold:{number}"))
    assert [event.kind for event in events] == ["hold.placed", "hold.released"]
    assert orjson.loads(events[0].payload) == {"scope": "run", "value": run_id, "reason": "case 8"}
