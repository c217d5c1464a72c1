"""The hot statements as the database plans them: by index, however full the tables are and many rows come at once."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection, transaction

from tests.flows.driving import call, publish
from tests.support.plans import explain, nodes
from workflows import statements
from workflows.models import (
    Activation,
    DeadLetter,
    Fanout,
    Gate,
    Incident,
    IncidentHour,
    Item,
    Run,
    RunSlot,
    WorkflowVersion,
)
from workflows.store import GATES

pytestmark = pytest.mark.usefixtures("full_tables")

HOT_TABLES = {
    "workflows_run",
    "workflows_activation",
    "workflows_step",
    "workflows_item",
    "workflows_fanout",
    "workflows_attempt",
    "workflows_deadletter",
    "workflows_incident",
    "workflows_incidenthour",
    "workflows_gate",
    "workflows_runslot",
    "workflows_startkey",
    "audit_event",
    "workflows_slot",
}
ROWS = 5_000
SIZES = (1, 64)
STATEMENTS = statements.read(package="workflows", name="hot_path.sql")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUNS = [UUID(int=number) for number in range(1, ROWS + 1)]
MAP_RUN = uuid4()


@pytest.fixture(scope="module")
def full_tables(database: None) -> Iterator[None]:
    """This will be thousands of runs under way, analysed, and undone at the end."""
    version = WorkflowVersion.objects.get(workflow__name=publish({"only": call("noop")}))
    with transaction.atomic():
        Run.objects.bulk_create(
            Run(
                id=run_id,
                workflow_name="full",
                version=version,
                input={},
                correlation_id=str(run_id),
                started_by="system:test",
                start_key=f"full:{run_id}",
                created_at=NOW,
            )
            for run_id in [*RUNS, MAP_RUN]
        )
        Activation.objects.bulk_create(
            _activation(run_id, version_id=version.id, number=n) for n, run_id in enumerate(RUNS)
        )
        Fanout.objects.bulk_create(
            Fanout(run_id=run_id, step="map", total=ROWS, started_at=NOW) for run_id in [*RUNS[: ROWS // 2], MAP_RUN]
        )
        Item.objects.bulk_create(
            Item(run_id=MAP_RUN, step="map", index=index, value=index, due_at=NOW if index % 100 == 0 else None)
            for index in range(2 * ROWS)
        )
        Gate.objects.bulk_create(
            Gate(id=UUID(int=n), workflow_name="full", kind=6, key=str(n), touched_at=NOW) for n in range(1, ROWS + 1)
        )
        RunSlot.objects.bulk_create(
            RunSlot(gate_id=UUID(int=n // 2 + 1), run_id=run_id, number=1 if n % 2 else None, created_at=NOW)
            for n, run_id in enumerate(RUNS)
        )
        _incidents()
        with connection.cursor() as cursor:
            cursor.execute(
                "analyze workflows_run, workflows_activation, workflows_fanout, workflows_item, workflows_step, "
                "workflows_deadletter, workflows_incident, workflows_incidenthour, workflows_gate, workflows_runslot"
            )
            cursor.execute("set local plan_cache_mode = force_generic_plan")
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_statement_reads_no_hot_table_as_a_whole(name: str, size: int) -> None:
    plan = explain(STATEMENTS[name], arguments(size)[name])

    scanned = {whole(node["Relation Name"]) for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
    assert not scanned & HOT_TABLES, orjson.dumps(plan, option=orjson.OPT_INDENT_2).decode()


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_statement_says_why_it_exists(name: str) -> None:
    text = resources.files("workflows").joinpath("hot_path.sql").read_text()

    assert re.search(rf"^-- name: {name}\n-- \w+", text, re.MULTILINE)


def whole(table: str) -> str:
    """This will name the table that a partition is part of."""
    return re.sub(r"_(earlier|default|\d{4}_\d\d)$", "", table)


def arguments(size: int) -> Mapping[str, Mapping[str, object]]:
    """This will give arguments for each statement that concern `size` rows."""
    ids = list(Activation.objects.filter(run_id__in=RUNS[:size]).values_list("id", flat=True))
    holds = [{"id": one, "epoch": 1} for one in ids]
    refs = {
        "refs": _json([{"run_id": str(run), "segment": 0, "slot": 0} for run in RUNS[:size]]),
        "run_ids": RUNS[:size],
    }
    moves = {"moves": _json(holds), "ids": ids, "steps": "[]", "events": "[]"}
    months = {"first_run": RUNS[0], "last_run": RUNS[size - 1]}
    item = {"run_id": MAP_RUN, "step": "map"}
    hold = {"id": ids[0], "epoch": 1}
    gate_id = str(UUID(int=1))
    gates = [
        {"id": str(UUID(int=n)), "workflow_name": "full", "kind": 6, "key": "", "version": 1, "slots": 1}
        for n in range(1, 65)
    ]
    return {
        "start_runs": {"release_id": 1, "runs": "[]", "entries": "[]", "wait": None},
        "take_due": {
            "asks": _json(
                [{"urgency": 0, "lane": "default", "room": size, "spare": 0, "before_key": "~", "before_priority": 1}]
            ),
            "leads": "[]",
            "groups": 64,
            "ageing_s": 10.5,
            "again_s": 1.5,
            "again_cap_s": 60.5,
            "gates": GATES,
        },
        "undo_take": {**refs, "delay_s": 1.5},
        "next_due": {"lanes": ["default"]},
        "claim": {**refs, **months, "owner": "me", "lease_s": 15.5, "is_alone": True, "gates": GATES},
        "advance": moves,
        "advance_one": {
            **hold,
            "position": 1,
            "step": "s",
            "state": "succeeded",
            "output": None,
            "error": None,
            "attempts": 1,
            "started_at": NOW,
            "ended_at": NOW,
            "events": "[]",
        },
        "finish": {**moves, **months},
        "retry_later": moves,
        "postpone": {"holds": "[]"},
        "park": {"holds": _json(holds)},
        "wake": {
            "sleepers": _json([{"run_id": str(run_id), "segment": 0, "position": 0} for run_id in RUNS[:size]]),
            "run_ids": RUNS[:size],
        },
        "park_items": {**item, **hold, "stays": "[]", "events": "[]", "indexes": list(range(size))},
        "release": {"holds": _json(holds), "ids": ids, "delay_s": 0.5, "keeps_place": True},
        "renew": {"holds": _json(holds), "ids": ids, "lease_s": 15.5},
        "take_items": {**item, **hold, "limit": size, "parallel": 2},
        "held_items": {**item, "first": 0, "until": size},
        "held_retries": {**item, "slot": 0},
        "take_waiting_items": {**item, **hold, "slot": 0, "limit": size},
        "end_items": {**item, **hold, "results": "[]", "events": "[]", "indexes": list(range(size))},
        "open_items": {**item, "items": _json([1] * size)},
        "raise_incidents": {
            "failures": _json([{"fingerprint": f"{number:016x}"} for number in range(size)]),
            "fingerprints": [f"{number:016x}" for number in range(size)],
        },
        "count_failures": {"limit": 1_000},
        "notify": {},
        "find_release": {"name": "full"},
        "count_due": {"lane": "default", "limit": size},
        "take_slots": {**hold, "limits": ["full"]},
        "wake_line": {"limits": ["full"]},
        "hand_on": {"limits": ["full"], "lane": "default", "owner": "me", "lease_s": 15.5},
        "slots_leaked": {},
        "limit_names": {},
        "hold_gates": {"gates": _json(gates[:size])},
        "take_turn": {
            "id": gate_id,
            "workflow": "full",
            "kind": 5,
            "key": "",
            "interval_s": 1.5,
            "tolerance_s": 0.5,
            "may_refuse": True,
        },
        "find_admissible": {"gates": [gate["id"] for gate in gates[:size]], "limit": 16},
        "set_aside": {"holds": _json([{**one, "object": "platform"} for one in holds])},
        "give_back": {"kept": ["platform"], "limit": 5_000},
        "older_work": {"since": "2026-01-01T00:00:00+00:00"},
        "beat": {
            "beats": _json(
                [
                    {"run_id": str(run), "step": "s", "index": -1, "activation": 1, "epoch": 1, "attempt": 1}
                    for run in RUNS[:size]
                ]
            )
        },
        "clock": {},
        "find_sweeps": {"now": NOW},
        "lock_start_key": {"key": "full", "wait": None},
    }


def _incidents() -> None:
    """Thousands of incidents and of dead letters, one letter in a hundred not counted yet."""
    names = [f"{number:016x}" for number in range(ROWS)]
    Incident.objects.bulk_create(
        Incident(fingerprint=name, kind="error", first_seen_at=NOW, last_seen_at=NOW, opened_at=NOW, changed_at=NOW)
        for name in names
    )
    IncidentHour.objects.bulk_create(IncidentHour(fingerprint=name, begins_at=NOW, count=1) for name in names)
    DeadLetter.objects.bulk_create(
        DeadLetter(
            run_id=run_id,
            workflow_name="full",
            step="only",
            kind="error",
            message="",
            attempts=1,
            created_at=NOW,
            fingerprint=name,
            is_counted=bool(number % 100),
        )
        for number, (run_id, name) in enumerate(zip(RUNS, names, strict=True))
    )


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _activation(run_id: UUID, *, version_id: int, number: int) -> Activation:
    """One in fifty is due."""
    distance = timedelta(hours=1) if number % 50 else timedelta(hours=-1)
    return Activation(
        run_id=run_id,
        version_id=version_id,
        segment=0,
        state="leased",
        wait_reason="running",
        owner="somebody",
        epoch=1,
        lane="default",
        due_at=datetime.now(UTC) + distance,
        created_at=NOW,
    )
