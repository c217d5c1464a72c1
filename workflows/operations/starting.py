"""Starts runs: the run, its first activations and its audit event in one statement.

It joins the caller's transaction if there is one: business data and runs commit together or not at all.
"""

import hashlib
import os
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.db import transaction

from audit.events import Actor, Event, EventKind, encode
from workflows import plans, store, tracing
from workflows.core import identity, progress
from workflows.core.definition import JsonValue
from workflows.core.problems import Problem
from workflows.core.states import RunState
from workflows.core.storable import holds_nul
from workflows.errors import InputInvalid, StartKeyReused, UnknownWorkflow, WorkflowDisabled
from workflows.models import Run
from workflows.operations import admission
from workflows.plans import Program
from workflows.store import EntryRow, RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One run to start.

    `key` makes the start idempotent: the client's name and its Idempotency-Key. `correlation_id` and
    `traceparent` (W3C) connect the run with what caused it. Higher `priority` starts first.
    """

    input: JsonValue = None
    key: str | None = None
    correlation_id: str = ""
    traceparent: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """A run that exists now. `is_new` False: its key was used before for the same request.

    `joined` names the rule (`batch`, `debounce`, `singleton`) by which another start's run stands for this one;
    `is_repeated`: it did so before.
    """

    run_id: UUID
    is_new: bool
    joined: str = ""
    state: RunState = RunState.RUNNING
    is_repeated: bool = False


def start_run(*, workflow: str, start: Start, actor: Actor, now: datetime) -> Started:
    """This will start one run of the newest version. Raises as `start_runs` does."""
    return start_runs(workflow=workflow, starts=[start], actor=actor, now=now)[0]


def start_runs(*, workflow: str, starts: Sequence[Start], actor: Actor, now: datetime) -> Sequence[Started]:
    """This will start runs of the newest version, all or none, in their order.

    Raises UnknownWorkflow, WorkflowDisabled, InputInvalid, StartKeyReused, and where the definition controls flow
    StartRateLimited and ConcurrencyReached. Inside the caller's
    `transaction.atomic()` the runs begin when it commits, and never when it does not.
    """
    with tracing.span_of_start(workflow):
        return _start_runs(workflow=workflow, starts=starts, actor=actor, now=now)


def _start_runs(*, workflow: str, starts: Sequence[Start], actor: Actor, now: datetime) -> Sequence[Started]:
    program = plans.program_of(_newest_version(workflow))
    _check_inputs(program, starts=starts)
    rows = [_row(program, start=start, actor=actor, now=now) for start in starts]
    entries = [entry for row in rows for entry in _entries(program, run_id=row["id"])]
    if program.flow is not None:
        admitted = admission.admit(program, rows=rows, entries=entries, actor=actor, now=now)
        return [Started(one.run_id, one.is_new, one.joined, one.state, one.is_repeated) for one in admitted]
    if all(row["start_key"] is None for row in rows) or len(rows) == 1:
        return _resolve(rows, begun=store.start_runs(runs=rows, entries=entries))
    with transaction.atomic():
        return _resolve(rows, begun=store.start_runs(runs=rows, entries=entries))


def _newest_version(name: str) -> int:
    found = store.find_newest_version(name=name)
    if found is None:
        raise UnknownWorkflow(name)
    version_id, is_enabled = found
    if not is_enabled:
        raise WorkflowDisabled(name)
    return version_id


def _check_inputs(program: Program, *, starts: Sequence[Start]) -> None:
    problems: list[Problem] = []
    for position, start in enumerate(starts):
        prefix = "$" if len(starts) == 1 else f"$[{position}]"
        problems.extend(program.input_problems(start.input, prefix=prefix))
    if problems:
        raise InputInvalid(problems)


def _row(program: Program, *, start: Start, actor: Actor, now: datetime) -> RunRow:
    run_id = identity.run_id(unix_ms=int(now.timestamp() * 1000), random_bytes=os.urandom(10))
    deadline_s = program.plan.definition.deadline_s
    input_text = _input_text(start.input)
    event = Event(
        kind=EventKind.RUN_STARTED,
        actor=actor,
        subject_type="run",
        subject_id=str(run_id),
        correlation_id=start.correlation_id or str(run_id),
        at=now,
        payload={
            "workflow": program.workflow_name,
            "version": program.number,
            "input_sha256": hashlib.sha256(input_text).hexdigest(),
        },
    )
    return {
        "id": str(run_id),
        "version_id": program.version_id,
        "workflow_name": program.workflow_name,
        "input": start.input,
        "correlation_id": start.correlation_id or str(run_id),
        "traceparent": tracing.current_traceparent() or start.traceparent,
        "started_by": str(actor),
        "priority": start.priority,
        "deadline_at": None if deadline_s is None else (now + timedelta(seconds=deadline_s)).isoformat(),
        "start_key": start.key,
        "start_digest": hashlib.sha256(program.workflow_name.encode() + b"\0" + input_text).hexdigest(),
        "created_at": now.isoformat(),
        "event": encode(event),
    }


def _input_text(value: JsonValue) -> bytes:
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise InputInvalid([Problem("$", f"the input is not JSON: {error}")]) from error
    if holds_nul(text):
        raise InputInvalid([Problem("$", "the input holds a NUL character, which cannot be stored")])
    return text


def _entries(program: Program, *, run_id: str) -> Sequence[EntryRow]:
    """The segments that wait for nothing."""
    return [
        {
            "run_id": run_id,
            "segment": entry.segment,
            "position": entry.position,
            "lane": program.plan.segments[entry.segment].lane,
        }
        for entry in progress.advance(program.plan, ended={}, active=frozenset()).ready
    ]


def _resolve(rows: Sequence[RunRow], *, begun: Set[UUID]) -> Sequence[Started]:
    """Some keys were used before: give the runs they started, if the requests were the same."""
    if len(begun) == len(rows):
        return [Started(UUID(row["id"]), is_new=True) for row in rows]
    keys = [row["start_key"] for row in rows if UUID(row["id"]) not in begun]
    known = {run.start_key: run for run in Run.objects.filter(start_key__in=keys)}
    results: list[Started] = []
    for row in rows:
        run_id = UUID(row["id"])
        if run_id in begun:
            results.append(Started(run_id, is_new=True))
            continue
        earlier = known[row["start_key"]]
        if earlier.start_digest != row["start_digest"]:
            raise StartKeyReused(str(row["start_key"]))
        results.append(Started(earlier.id, is_new=False))
    return results
