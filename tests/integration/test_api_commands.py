"""The operator's command line: one call each, one line when something is wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from audit import queries as audit
from tests.support import api
from tests.support.environment import ROOT
from tests.support.waiting import wait_until
from workflows import operations
from workflows.models import DeadLetter, Run, WorkflowVersion


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def automation(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """This will run a subcommand and give what it wrote."""
    call_command("automation", *words, stdout=StringIO())
    return capsys.readouterr().out


def test_publish_names_the_version_and_makes_none_twice(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = f"test-{uuid4().hex[:12]}"
    file = tmp_path / "flow.yaml"
    file.write_text(f"name: {name}\nsteps: {{only: {{uses: set, with: {{a: 1}}}}}}\n")

    first = automation(capsys, "publish", str(file))
    again = automation(capsys, "publish", str(file))

    assert (first, again) == (f"{name} v1 published\n", f"{name} v1 unchanged\n")
    assert WorkflowVersion.objects.get(workflow__name=name).published_by.startswith("system:cli:")


def test_publish_shows_every_problem_with_its_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text("name: wrong\nsteps:\n  a: {uses: sett}\n  b: {uses: set, needs: c}\n")

    with pytest.raises(CommandError, match="2 problems") as raised:
        automation(capsys, "publish", str(file))

    assert raised.value.returncode == 2
    assert "line 3, $.steps.a.uses" in capsys.readouterr().out


def test_start_show_why_and_cancel_tell_the_story_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = api.published()

    run_id = automation(capsys, "start", workflow, "--input", '{"a": 1}', "--key", "k-1").strip()
    again = automation(capsys, "start", workflow, "--input", '{"a": 1}', "--key", "k-1").strip()
    waiting = automation(capsys, "why", run_id)
    automation(capsys, "cancel", run_id, "--reason", "a test")
    ended = automation(capsys, "why", run_id)
    shown = automation(capsys, "show", run_id)
    listed = automation(capsys, "runs", "--workflow", workflow, "--state", "cancelled")
    proof = automation(capsys, "audit", "verify", "--run", run_id)

    run = Run.objects.get(id=run_id)
    assert (again, run.input) == (run_id, {"a": 1})
    assert "first waits for a worker of the lane default" in waiting
    assert "second: comes after first" in waiting
    assert "a test" in ended
    assert "not_reached" in shown
    assert run_id in listed
    assert proof == "2 events, 0 changed\n"
    assert run.started_by == audit.events_for(run_id)[0].actor


def test_start_reads_the_input_from_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"a": [1]}')

    run_id = automation(capsys, "start", api.published(), "--input", f"@{file}").strip()

    assert Run.objects.get(id=run_id).input == {"a": [1]}


@pytest.mark.parametrize(
    "words",
    [
        ["start", "never-published"],
        ["start", "x", "--input", "{"],
        ["start", "x", "--input", "@/no/such/file"],
        ["publish", "/no/such/file"],
        ["show", "not-an-id"],
        ["why", str(uuid4())],
        ["cancel", str(uuid4())],
        ["requeue", "999999999"],
        ["discard", "999999999", "--reason", "x"],
        ["discard", "1"],
        ["token", "revoke", "never-created"],
        ["token", "create", "x", "--scope", "root"],
        ["token", "create", "x", "--scope", "admin", "--days", "1000"],
        ["audit", "verify", "--run", str(uuid4())],
    ],
)
def test_wrong_input_is_told_in_one_line_with_code_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(CommandError) as raised:
        automation(capsys, *words)

    assert raised.value.returncode == 2
    assert "\n" not in str(raised.value)


def test_a_dead_letter_is_listed_requeued_and_discarded_once(capsys: pytest.CaptureFixture[str]) -> None:
    now = timezone.now()
    workflow = api.published()
    started = operations.start_run(workflow=workflow, start=operations.Start(), actor=api.TESTER, now=now)
    letter = DeadLetter.objects.create(
        run_id=started.run_id,
        workflow_name=workflow,
        step="first",
        kind="refused",
        message="no such account",
        attempts=1,
        created_at=now,
    )

    listed = automation(capsys, "dead-letters", "--workflow", workflow)
    automation(capsys, "discard", str(letter.id), "--reason", "account closed")

    letter.refresh_from_db()
    assert "no such account" in listed
    assert letter.state == "discarded"
    with pytest.raises(CommandError, match="is discarded already"):
        automation(capsys, "requeue", str(letter.id))


def test_a_token_is_printed_once_and_revoked_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"t-{uuid4().hex[:12]}"

    plain = automation(capsys, "token", "create", name, "--scope", "runs:read", "--quiet").strip()
    listed = automation(capsys, "token", "list")
    used = api.with_token(plain).get("/api/v1/runs")
    automation(capsys, "token", "revoke", name)
    refused = api.with_token(plain).get("/api/v1/runs")

    assert plain[:12] in listed
    assert plain not in listed
    assert (used.status_code, refused.status_code) == (200, 401)


@pytest.mark.parametrize("words", [[], ["nonsense"], ["start"], ["show", "7"]])
def test_a_process_with_wrong_arguments_writes_one_line_and_exits_2(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "automation", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_scheduler_ends_cleanly_when_asked(number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "automation", "scheduler"],
            cwd=ROOT,
            stderr=file,
            env={**os.environ, "LOG_LEVEL": "INFO"},
        )
    try:
        wait_until(lambda: "scheduler_started" in log.read_text())
        process.send_signal(number)
        code = process.wait(timeout=120)
    finally:
        process.kill()

    assert code == 0, log.read_text()
    assert "scheduler_stopped" in log.read_text()
