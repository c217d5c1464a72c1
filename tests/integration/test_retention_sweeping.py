"""Old rows of small tables go in batches, with their audit event; what is young, under way, held or needed stays."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.contrib.sessions.models import Session
from django.db import connection, connections, transaction
from django.utils import timezone

from audit import queries as audit
from automation.models import Alert, Backfill, EventTrigger, Fire, Schedule, WebhookRefusal
from integrations.models import Notification, RateBucket
from reconciliation.models import Comparison, Job, JobVersion, Repair, Variance
from retention import classes, operations, queries
from retention.classes import Swept
from retention.operations import sweeping
from tests.support.history import ACTOR, execute
from workflows.models import Incident, IncidentHour, PoisonMessage

pytestmark = pytest.mark.usefixtures("database")
OLD = timedelta(days=10_000)
"""Older than anything is kept by default."""


@pytest.fixture
def small(database: None) -> Iterator[Swept]:
    """This will be a small table of its own, with parts, of which rows go that are not alive."""
    name = f"small_{uuid4().hex[:8]}"
    execute(
        f"create table {name} (id int primary key, run text not null, is_alive bool not null)",
        f"create table {name}_part (small_id int not null)",
        f"insert into {name} select n, 'run ' || n, n > 7 from generate_series(1, 9) as n",
        f"insert into {name}_part select n from generate_series(1, 9) as n",
    )
    yield Swept(
        table=name,
        over="not it.is_alive and not it.run = any(%(correlations)s::text[])",
        why="a test",
        months=lambda: 1,
        also=((f"{name}_part", "small_id"),),
    )
    execute(f"drop table {name}", f"drop table {name}_part")


def left(one: Swept) -> list[int]:
    """This will be what is there; a part is there exactly as long as its row."""
    rows = execute(f"select id from {one.table} order by id")
    assert execute(f"select small_id from {one.table}_part order by small_id") == rows
    return [int(str(number)) for (number,) in rows]


def sweep(*tables: Swept) -> dict[str, int]:
    """This will let go what may, and give how many rows of which tables."""
    done = operations.sweep(now=timezone.now(), actor=ACTOR, tables=tables)
    assert done is not None
    return {one.table: one.rows for one in done}


def test_rows_go_in_batches_with_their_parts_and_an_event_each(small: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 3)

    assert sweep(small) == {small.table: 7}

    assert left(small) == [8, 9]
    events = [orjson.loads(event.payload) for event in audit.events_for(small.table)]
    assert [event["rows"][small.table] for event in events] == [3, 3, 1]
    assert sum(event["rows"][f"{small.table}_part"] for event in events) == 7
    assert sweep(small) == {}


def test_held_rows_stay_until_their_hold_is_released(small: Swept) -> None:
    now, what = timezone.now(), f"run {2}"
    hold = operations.place_hold(scope="correlation", value=what, reason="case", actor=ACTOR, now=now)

    sweep(small)
    while_held = left(small)
    operations.release_hold(hold_id=hold.id, reason="over", actor=ACTOR, now=now)
    sweep(small)

    assert while_held == [2, 8, 9]
    assert left(small) == [8, 9]


def test_row_that_somebody_changes_meanwhile_is_left(small: Swept) -> None:
    with transaction.atomic():
        execute(f"update {small.table} set is_alive = true where id = 5")
        gone = in_another_session(lambda: sweep(small))

    assert gone == {small.table: 6}
    assert left(small) == [5, 8, 9]


def test_table_that_somebody_uses_is_left_for_another_night(small: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "_TRIES", 1)
    alone = Swept(table=small.table, over=small.over, why="a test", months=small.months, also=small.also, is_alone=True)

    with transaction.atomic():
        execute(f"update {small.table} set is_alive = true where id = 5")
        done = in_another_session(lambda: operations.sweep(now=timezone.now(), actor=ACTOR, tables=[alone]))

    assert [(one.rows, "lock timeout" in one.trouble) for one in done or ()] == [(0, True)]
    assert left(small) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_nothing_goes_of_what_is_kept_for_ever(small: Swept) -> None:
    for_ever = Swept(table=small.table, over=small.over, why="a test", months=lambda: 0, also=small.also)

    assert sweep(for_ever) == {}
    assert left(small) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("one", classes.swept(), ids=lambda one: one.table)
def test_statement_of_each_table_can_be_planned(one: Swept) -> None:
    parameters = queries.parameters_of_rows(one, now=timezone.now())

    with connection.cursor() as cursor:
        cursor.execute(f"explain {sweeping._statement(one)}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert f"Delete on {one.table}" in plan
    assert one.table in queries.old_rows(now=timezone.now())


def in_another_session(act: Callable[[], Any]) -> Any:  # Any: what it gives
    """This will act beside the transaction of the test."""
    answers: list[Any] = []

    def work() -> None:
        answers.append(act())
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(120)
    return answers[0]


def notification(*, at: datetime, **changes: Any) -> Notification:  # Any: columns of it
    """This will store a message that was sent."""
    name = uuid4()
    columns = {"channel": "log", "recipient": "me", "subject": "s", "text": "t", "state": "sent", "due_at": at}
    return Notification.objects.create(id=name, key=str(name), created_at=at, **{**columns, **changes})


def test_messages_that_were_sent_go_and_those_that_wait_or_are_held_stay() -> None:
    now, old, run = timezone.now(), timezone.now() - OLD, str(uuid4())
    hold = operations.place_hold(scope="run", value=run, reason="case", actor=ACTOR, now=now)
    gone = [notification(at=old), notification(at=old, state="dead")]
    stay = [notification(at=now), notification(at=old, state="pending"), notification(at=old, about=run)]

    sweep(of("automation_notification"))
    operations.release_hold(hold_id=hold.id, reason="over", actor=ACTOR, now=now)
    Notification.objects.filter(state="pending", id=stay[1].id).update(state="dead")

    assert {row.id for row in Notification.objects.filter(id__in=[one.id for one in (*gone, *stay)])} == {
        one.id for one in stay
    }


def of(table: str) -> Swept:
    """This will be how rows of a table end."""
    return next(one for one in classes.swept() if one.table == table)


def test_due_times_go_with_their_backfill_but_never_the_latest_of_a_schedule() -> None:
    now, old = timezone.now(), timezone.now() - OLD
    schedule = Schedule.objects.create(
        name=f"old-{uuid4().hex[:8]}", source="user", workflow="w", rule={}, created_at=old, created_by="t",
        ended_at=old, is_planned=True, last_due_at=old + timedelta(days=3),
    )  # fmt: skip
    backfill = Backfill.objects.create(
        schedule_id=schedule.pk, starts_at=old, ends_at=old, order="forward", parallel=1, reprocess="none", dues=[],
        state="done", created_at=old, created_by="t", ended_at=old,
    )  # fmt: skip
    names = {"started": 0, "due": 1, "running": 2, "latest": 3, "young": 4}
    for name, day in names.items():
        Fire.objects.create(
            schedule_id=schedule.pk,
            due_at=old + timedelta(days=day) if name != "young" else now,
            fire_at=old,
            recorded_at=now if name == "young" else old,
            cause="backfill",
            state="due" if name == "due" else "started",
            run_state="running" if name == "running" else "succeeded",
            backfill_id=backfill.pk if name == "started" else None,
            detail=name,
        )

    sweep(of("automation_fire"), of("automation_backfill"))

    assert set(Fire.objects.filter(schedule_id=schedule.pk).values_list("detail", flat=True)) == set(names) - {
        "started"
    }
    assert not Backfill.objects.filter(id=backfill.pk).exists()


def test_alerts_refusals_triggers_sessions_and_buckets_go_when_they_are_over() -> None:
    now, old, name = timezone.now(), timezone.now() - OLD, uuid4().hex
    day_us = int((now - timedelta(days=2)).timestamp() * 1_000_000)
    for word, at in (("gone", old), ("here", now)):
        Alert.objects.create(
            rule=name, kind="lane", object=word, words="w", began_at=old, seen_at=at, told_at=at, ended_at=at
        )
        WebhookRefusal.objects.create(source=name, reason=word, hour=at, count=1, latest_at=at)
        EventTrigger.objects.create(
            workflow=name, kind="event", place=0, type=word, created_at=old, ended_at=at if word == "gone" else None
        )
        Session.objects.create(
            session_key=f"{word}{name}"[:40], session_data="", expire_date=now + (at - old) - OLD / 2
        )
        RateBucket.objects.create(
            key=f"{word[0]}{name[:20]}",
            due_at=0,
            free_at=day_us if word == "gone" else int(now.timestamp() * 1_000_000),
        )
    Alert.objects.create(rule=name, kind="lane", object="on", words="w", began_at=old, seen_at=old, told_at=old)

    sweep(*classes.swept())

    assert set(Alert.objects.filter(rule=name).values_list("object", flat=True)) == {"here", "on"}
    assert set(WebhookRefusal.objects.filter(source=name).values_list("reason", flat=True)) == {"here"}
    assert set(EventTrigger.objects.filter(workflow=name).values_list("type", flat=True)) == {"here"}
    assert [
        key[:4] for key in Session.objects.filter(session_key__contains=name[:20]).values_list("pk", flat=True)
    ] == ["here"]
    assert [key[0] for key in RateBucket.objects.filter(key__endswith=name[:20]).values_list("key", flat=True)] == ["h"]


def test_incident_goes_when_it_is_over_and_nothing_speaks_of_it() -> None:
    now, old = timezone.now(), timezone.now() - OLD
    over, alive, needed = (uuid4().hex[:16] for _ in range(3))
    for fingerprint, state in ((over, "resolved"), (alive, "open"), (needed, "discarded")):
        Incident.objects.create(
            fingerprint=fingerprint, workflow_name="w", kind="k", title="t", example="e", state=state,
            first_seen_at=old, last_seen_at=old, opened_at=old, changed_at=old,
        )  # fmt: skip
        IncidentHour.objects.create(fingerprint=fingerprint, begins_at=now, count=1)
    poison = {
        "headers": {},
        "properties": {},
        "size_bytes": 1,
        "reason": "rejected",
        "received_at": old,
        "changed_at": old,
    }
    PoisonMessage.objects.create(digest=needed, fingerprint=needed, state="open", **poison)
    PoisonMessage.objects.create(digest=over, fingerprint=over, state="discarded", **poison)

    sweep(of("workflows_poisonmessage"), of("workflows_incidenthour"), of("workflows_incident"))

    ours = (over, alive, needed)
    assert set(Incident.objects.filter(fingerprint__in=ours).values_list("pk", flat=True)) == {alive, needed}
    hours = IncidentHour.objects.filter(fingerprint__in=ours).values_list("fingerprint", flat=True)
    assert set(hours) == {alive, needed}


def test_closed_variances_go_with_their_repairs_and_comparisons_that_nothing_speaks_of() -> None:
    old = timezone.now() - OLD
    job = Job.objects.create(name=f"old-{uuid4().hex[:8]}", created_at=old)
    version = JobVersion.objects.create(
        job=job, number=1, document={}, source="", content_hash="x", published_at=old, published_by="t"
    )
    first, second, third = (
        Comparison.objects.create(
            job=job, version=version, state="done", started_by="t", started_at=old, ended_at=old, lease_until=old
        )
        for _ in range(3)
    )
    closed, still_open = (
        Variance.objects.create(
            job=job, key=state, kind="missing", digest="d", state=state, first_seen_at=old, last_seen_at=old,
            first_comparison=comparison, last_comparison=comparison, closed_at=old if state == "closed" else None,
        )
        for state, comparison in (("closed", first), ("open", second))
    )  # fmt: skip
    Repair.objects.create(variance=closed, comparison=third, rule="r", digest="d", state="done", planned_at=old)

    sweep(of("reconciliation_variance"), of("reconciliation_comparison"))

    assert list(Variance.objects.filter(job=job)) == [still_open]
    assert list(Comparison.objects.filter(job=job)) == [second]
    assert not Repair.objects.filter(variance_id=closed.pk).exists()
