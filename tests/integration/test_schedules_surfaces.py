"""Schedules from outside: definitions, API, command line; each says what is due and what became of it."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from automation import schedule_queries, scheduling
from automation.firing import filling, settling, watching
from automation.models import Fire, Schedule
from tests.flows.driving import TESTER, work
from tests.support.api import client, document, publish, published
from workflows import operations
from workflows.core.problems import DefinitionInvalid

pytestmark = pytest.mark.django_db
RULE = {"cron": "0 8 * * *", "timezone": "Europe/Berlin"}


def schedules_of(workflow: str) -> list[tuple[str, str]]:
    """This will give name and state of the schedules of a workflow, ended ones too."""
    rows = schedule_queries.schedules(workflow=workflow, with_ended=True)
    return [(row.name.partition("/")[2], row.state) for row in rows]


def test_publishing_makes_changes_and_ends_the_schedules_of_a_definition() -> None:
    name = published(on={"schedule": [{"name": "a", **RULE}, {"every": "1h"}]})
    assert schedules_of(name) == [("2", "active"), ("a", "active")]
    before = Schedule.objects.get(name=f"{name}/a").revision

    publish(document(name, on={"schedule": {"name": "a", **RULE}}, description="again"))
    assert schedules_of(name) == [("2", "ended"), ("a", "active")]
    assert Schedule.objects.get(name=f"{name}/a").revision == before

    publish(document(name))
    assert schedules_of(name) == [("2", "ended"), ("a", "ended")]

    publish(document(name, on={"schedule": {"name": "a", **RULE, "overlap": "allow"}}))
    assert schedules_of(name) == [("2", "ended"), ("a", "active")]


def test_definition_that_names_no_calendar_there_is_is_not_published() -> None:
    name = f"test-{uuid4().hex[:12]}"

    with pytest.raises(DefinitionInvalid) as caught:
        publish(document(name, on={"schedule": {"every": "1h", "calendars": ["nothing-like-it"]}}))

    assert [one.path for one in caught.value.problems] == ["$.on.schedule.calendars[0]"]
    assert schedules_of(name) == []


@pytest.fixture
def schedule_id() -> int:
    """This will be a schedule that is due at 08:00 in Berlin."""
    answer = client("definitions:write").post(
        "/api/v1/schedules", {"name": f"test-{uuid4().hex[:12]}", "workflow": published(), **RULE}, format="json"
    )
    assert answer.status_code == 201, answer.content
    return int(answer.json()["id"])


def test_api_reads_writes_and_ends(schedule_id: int) -> None:
    caller = client("definitions:write", "runs:read")
    path = f"/api/v1/schedules/{schedule_id}"
    shown = caller.get(path).json()
    body = {"name": shown["name"], "workflow": shown["workflow"], **RULE}

    again = caller.post("/api/v1/schedules", body, format="json")
    changed = caller.post("/api/v1/schedules", {**body, "cron": "0 9 * * *"}, format="json")
    listed = caller.get(f"/api/v1/schedules?workflow={shown['workflow']}").json()["results"]
    ended = caller.delete(path)

    assert (again.status_code, changed.status_code, ended.status_code) == (200, 200, 204)
    assert changed.json()["rule"]["cron"] == "0 9 * * *"
    assert [one["id"] for one in listed] == [schedule_id]
    assert caller.get(path).json()["state"] == "ended"
    assert caller.get(f"/api/v1/schedules?workflow={shown['workflow']}").json()["results"] == []


def test_api_says_where_a_schedule_is_wrong() -> None:
    wrong = {"name": "Wrong Name", "workflow": published(), "cron": "0 25 * * *"}
    answer = client("definitions:write").post("/api/v1/schedules", wrong, format="json")
    named = client("definitions:write").post("/api/v1/schedules", {**wrong, "name": "right-name"}, format="json")

    assert [one["path"] for one in answer.json()["problems"]] == ["$.name"]
    assert (named.status_code, [one["path"] for one in named.json()["problems"]]) == (422, ["$.cron"])
    assert client("runs:write").post("/api/v1/schedules", wrong, format="json").status_code == 403


def test_api_pauses_resumes_and_triggers(schedule_id: int) -> None:
    caller = client("runs:write", "runs:read")
    path = f"/api/v1/schedules/{schedule_id}"

    paused = caller.post(f"{path}/pause", {"reason": "stocktaking"}, format="json").json()
    fire = caller.post(f"{path}/trigger")
    settling.settle(now=timezone.now())
    shown = caller.get(f"{path}/fires").json()["results"]
    resumed = caller.post(f"{path}/resume").json()

    assert (paused["state"], paused["paused_reason"], resumed["state"]) == ("paused", "stocktaking", "active")
    assert (fire.status_code, fire.json()["state"]) == (202, "due")
    assert [(one["cause"], one["state"]) for one in shown] == [("by_hand", "started")]
    assert caller.get(f"/api/v1/runs/{shown[0]['run']}").json()["started_by"].startswith("schedule:test-")


def test_api_previews_in_local_time_and_utc(schedule_id: int) -> None:
    answer = client("runs:read").get(f"/api/v1/schedules/{schedule_id}/preview?count=2").json()["results"]

    local = [datetime.fromisoformat(one["local_at"]) for one in answer]
    assert [f"{one:%H:%M}" for one in local] == ["08:00", "08:00"]
    assert [datetime.fromisoformat(one["due_at"]) for one in answer] == local
    assert client("runs:read").get(f"/api/v1/schedules/{schedule_id}/preview?count=0").status_code == 400


def test_schedule_of_a_definition_is_changed_there() -> None:
    name = published(on={"schedule": RULE})
    schedule = schedule_queries.get_schedule(f"{name}/1")

    answer = client("definitions:write").delete(f"/api/v1/schedules/{schedule.pk}")

    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "schedule-not-yours")


def test_backfill_makes_up_in_order_keeps_its_bound_and_doubles_nothing(schedule_id: int) -> None:
    caller = client("runs:write", "runs:read")
    path = f"/api/v1/schedules/{schedule_id}/backfills"
    body = {"start": "2026-01-01T12:00:00Z", "end": "2026-01-05T12:00:00Z", "order": "backward", "parallel": 2}

    listed = caller.post(path, {**body, "dry_run": True}, format="json").json()
    made = caller.post(path, body, format="json").json()
    rows = Fire.objects.filter(schedule_id=schedule_id).order_by("id")
    for expected in (2, 4):
        filling.fill(now=timezone.now())
        settling.settle(now=timezone.now())
        assert rows.count() == expected
        filling.fill(now=timezone.now())
        assert rows.count() == expected  # no more while these are under way
        work(*[one for one in rows.values_list("run_id", flat=True) if one is not None])
        watching.note_ends(list(rows.filter(run_state="running")), now=timezone.now())
    filling.fill(now=timezone.now())

    days = ["2026-01-05", "2026-01-04", "2026-01-03", "2026-01-02"]
    assert [due[:10] for due in listed["dues"]] == days
    assert [f"{due:%Y-%m-%d}" for due in rows.values_list("due_at", flat=True)] == days
    shown = caller.get(f"/api/v1/backfills/{made['id']}").json()
    assert (shown["state"], shown["made"], shown["total"]) == ("done", 4, 4)
    again = caller.post(path, {**body, "dry_run": True}, format="json").json()
    completed = caller.post(path, {**body, "dry_run": True, "reprocess": "completed"}, format="json").json()
    failed = caller.post(path, {**body, "dry_run": True, "reprocess": "failed"}, format="json").json()
    assert ([len(one["dues"]) for one in (again, completed, failed)], len(again["left_alone"])) == ([0, 4, 0], 4)


def test_backfill_that_is_stopped_begins_nothing_more(schedule_id: int) -> None:
    schedule = schedule_queries.get_schedule(schedule_id)
    wish = scheduling.BackfillWish(
        starts_at=datetime(2026, 1, 1, tzinfo=UTC), ends_at=datetime(2026, 2, 1, tzinfo=UTC), parallel=1
    )
    backfill = scheduling.start_backfill(schedule=schedule, wish=wish, actor=TESTER, now=timezone.now())
    filling.fill(now=timezone.now())

    stopped = client("runs:write").post(f"/api/v1/backfills/{backfill.pk}/stop").json()
    filling.fill(now=timezone.now())

    assert (stopped["state"], stopped["position"], stopped["total"]) == ("stopped", 1, 31)
    assert Fire.objects.filter(backfill_id=backfill.pk).count() == 1


def test_failed_run_is_made_again_under_a_key_of_its_own(schedule_id: int) -> None:
    due_at = datetime(2026, 1, 2, 7, 0, tzinfo=UTC)
    wish = scheduling.BackfillWish(starts_at=due_at - timedelta(hours=1), ends_at=due_at)
    schedule = schedule_queries.get_schedule(schedule_id)
    scheduling.start_backfill(schedule=schedule, wish=wish, actor=TESTER, now=timezone.now())
    filling.fill(now=timezone.now())
    settling.settle(now=timezone.now())
    fire = Fire.objects.get(schedule_id=schedule_id, due_at=due_at)
    assert fire.run_id is not None
    operations.cancel_run(run_id=fire.run_id, actor=TESTER, now=timezone.now())
    watching.note_ends([fire], now=timezone.now())

    again = scheduling.BackfillWish(starts_at=wish.starts_at, ends_at=due_at, reprocess=scheduling.Reprocess.FAILED)
    scheduling.start_backfill(schedule=schedule, wish=again, actor=TESTER, now=timezone.now())
    filling.fill(now=timezone.now())
    settling.settle(now=timezone.now())

    later = Fire.objects.get(schedule_id=schedule_id, due_at=due_at)
    assert (later.pk, later.round, later.state) == (fire.pk, 1, "started")
    assert later.run_id != fire.run_id


def test_calendars_are_kept_while_a_schedule_names_them() -> None:
    caller = client("definitions:write", "runs:read")
    name = f"days-{uuid4().hex[:8]}"
    path = f"/api/v1/calendars/{name}"
    made = caller.put(path, {"days": {"dates": ["12-25"]}}, format="json")
    wrong = caller.put(path, {"days": {"dates": ["12-32"]}}, format="json")
    user = {"name": f"test-{uuid4().hex[:12]}", "workflow": published(), **RULE, "calendars": [name]}
    schedule_id = caller.post("/api/v1/schedules", user, format="json").json()["id"]

    refused = caller.delete(path)
    caller.delete(f"/api/v1/schedules/{schedule_id}")
    deleted = caller.delete(path)

    assert (made.status_code, wrong.status_code, refused.status_code, deleted.status_code) == (201, 422, 409, 204)
    assert "no date" in wrong.json()["detail"]


def test_command_lists_shows_pauses_and_backfills(schedule_id: int, capsys: pytest.CaptureFixture[str]) -> None:
    name = schedule_queries.get_schedule(schedule_id).name
    span = ["--from", "2026-01-01", "--to", "2026-01-04", "--dry-run"]
    for words in ([], ["show", name], ["pause", name, "--reason", "why not"], ["resume", str(schedule_id)]):
        call_command("automation", "schedules", *words, stdout=StringIO())
    call_command("automation", "schedules", "trigger", name, stdout=StringIO())
    call_command("automation", "schedules", "backfill", name, *span, stdout=StringIO())
    call_command("automation", "schedules", "backfills", name, stdout=StringIO())

    said = capsys.readouterr().out
    assert name in said
    assert f"{name} is paused" in said
    assert "08:00:00+0" in said
    assert "2026-01-03T07:00:00+00:00" in said
    assert "3 to do, 0 left alone, 0 on days off" in said


def test_command_sets_calendars_and_ends_with_code_2_when_asked_for_what_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = f"days-{uuid4().hex[:8]}"
    days = orjson.dumps({"weekdays": ["SUN"]}).decode()
    for words in (["set", name, days], [], ["delete", name]):
        call_command("automation", "calendars", *words, stdout=StringIO())
    assert f"{name} is set" in capsys.readouterr().out

    for wrong in (
        ["schedules", "show", "nothing-like-it"],
        ["calendars", "delete", name],
        ["calendars", "set", name, "[]"],
        ["schedules", "stop-backfill", "0"],
    ):
        with pytest.raises(CommandError) as caught:
            call_command("automation", *wrong)
        assert caught.value.returncode == 2
