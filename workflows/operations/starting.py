"""Starts runs: the run, its first activations and its audit event in one statement, never on an old version.

It joins the caller's transaction if there is one: business data and runs commit together or not at all.
"""

import hashlib
import os
from collections.abc import Sequence, Set
from contextlib import nullcontext
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
from workflows.core.progress import Entry
from workflows.core.states import RunState
from workflows.core.storable import holds_nul
from workflows.errors import InputInvalid, LaneFull, StartKeyReused, UnknownWorkflow, WorkflowDisabled
from workflows.models import WorkflowVersion
from workflows.operations import admission, deadlines, lane_room, start_keys, timings
from workflows.operations.fairness import Share, share_of
from workflows.plans import Program
from workflows.store import EntryRow, RunRow

PRIORITIES = range(-100, 101)
_KNOWN_MAX = 1024
_known_newest: dict[str, int] = {}
"""The newest version of each workflow as this process saw it last. The statement that starts runs checks it, so that
what has become old costs one look-up and never a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One run to start.

    `key` makes the start idempotent: the client's name and its Idempotency-Key. `correlation_id` and
    `traceparent` (W3C) connect the run with what caused it. Higher `priority` starts first. Before `start_at`
    nothing starts; what is past means at once. `actor`: who caused this one, if not the caller.
    """

    input: JsonValue = None
    key: str | None = None
    correlation_id: str = ""
    traceparent: str = ""
    priority: int = 0
    start_at: datetime | None = None
    actor: Actor | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Starts of one workflow, and what their caller asks besides."""

    starts: Sequence[Start]
    actor: Actor
    now: datetime
    is_limited: bool
    key_wait_ms: int | None


def start_run(
    *,
    workflow: str,
    start: Start,
    actor: Actor,
    now: datetime,
    is_limited: bool = False,
    key_wait_ms: int | None = None,
) -> Started:
    """This will start one run of the newest version. Raises as `start_runs` does.

    With `key_wait_ms` it raises OperationalError when another transaction uses the key for longer than that.
    """
    wanted = _Wanted(starts=[start], actor=actor, now=now, is_limited=is_limited, key_wait_ms=key_wait_ms)
    return _traced(wanted, workflow=workflow)[0]


def start_runs(
    *, workflow: str, starts: Sequence[Start], actor: Actor, now: datetime, is_limited: bool = False
) -> Sequence[Started]:
    """This will start runs of the newest version, all or none, in their order.

    Raises UnknownWorkflow, WorkflowDisabled, InputInvalid, StartKeyReused, where the definition controls flow
    StartRateLimited and ConcurrencyReached, and, when `is_limited`, LaneFull when too much waits already in a lane
    they begin in; a start whose key is known is answered all the same. Inside the caller's
    `transaction.atomic()` the runs begin when it commits, and never when it does not.
    """
    wanted = _Wanted(starts=starts, actor=actor, now=now, is_limited=is_limited, key_wait_ms=None)
    return _traced(wanted, workflow=workflow)


def _traced(wanted: _Wanted, *, workflow: str) -> Sequence[Started]:
    with tracing.span_of_start(workflow):
        started = None
        known = _known_newest.get(workflow)
        if known is not None:
            started = _start_on(known, wanted=wanted)
        while started is None:  # again only when a version was published between the two statements
            started = _start_on(_newest_version(workflow), wanted=wanted)
        return started


def _start_on(version_id: int, *, wanted: _Wanted) -> Sequence[Started] | None:
    """Start on this version; None: it is not the newest one that may be started, and nothing has begun."""
    try:
        program = plans.program_of(version_id)
    except WorkflowVersion.DoesNotExist:  # what was remembered was published in a transaction that never committed
        return None
    problems = _input_problems(program, starts=wanted.starts)
    if problems:
        if _newest_version(program.workflow_name) != version_id:
            return None
        raise InputInvalid(problems)
    if wanted.is_limited:
        _ask_for_room(program, starts=wanted.starts)
    deadline_s = deadlines.length_s(program.plan.definition.deadline, workflow=program.workflow_name)
    rows = [
        _row(program, start=start, actor=start.actor or wanted.actor, deadline_s=deadline_s, now=wanted.now)
        for start in wanted.starts
    ]
    entries = [entry for row in rows for entry in _entries(program, run_id=row["id"])]
    if program.flow is not None:
        return _ask_gates(program, rows=rows, entries=entries, wanted=wanted)
    is_one_statement = len(rows) == 1 or all(row["start_key"] is None for row in rows)
    with nullcontext() if is_one_statement else transaction.atomic():
        begun = store.start_runs(version_id=version_id, runs=rows, entries=entries, wait_ms=wanted.key_wait_ms)
        return None if begun is None else _resolve(rows, begun=begun)


def _ask_for_room(program: Program, *, starts: Sequence[Start]) -> None:
    """Starts whose keys are known add nothing to a lane: they are looked up only when it is full. Raises LaneFull."""
    try:
        for lane in {program.plan.segments[entry.segment].lane for entry in _first(program)}:
            lane_room.ask(lane)
    except LaneFull:
        if not admission.are_known([start.key for start in starts]):
            raise


def _ask_gates(
    program: Program, *, rows: Sequence[RunRow], entries: Sequence[EntryRow], wanted: _Wanted
) -> Sequence[Started] | None:
    """Gates answer some starts without storing a run: so the version is checked before they are asked, too."""
    if _newest_version(program.workflow_name) != program.version_id:
        return None
    admitted = admission.admit(
        program, rows=rows, entries=entries, actor=wanted.actor, now=wanted.now, key_wait_ms=wanted.key_wait_ms
    )
    if admitted is None:
        return None
    return [Started(one.run_id, one.is_new, one.joined, one.state, one.is_repeated) for one in admitted]


def _newest_version(name: str) -> int:
    """Look the newest version up, and remember it for the next start."""
    found = store.find_newest_version(name=name)
    if found is None:
        raise UnknownWorkflow(name)
    version_id, is_enabled = found
    if not is_enabled:
        raise WorkflowDisabled(name)
    if len(_known_newest) >= _KNOWN_MAX:
        _known_newest.clear()
    _known_newest[name] = version_id
    return version_id


def _input_problems(program: Program, *, starts: Sequence[Start]) -> Sequence[Problem]:
    problems: list[Problem] = []
    for position, start in enumerate(starts):
        prefix = "$" if len(starts) == 1 else f"$[{position}]"
        problems.extend(program.input_problems(start.input, prefix=prefix))
        if start.priority not in PRIORITIES:
            hint = f"write a whole number from {PRIORITIES.start} to {PRIORITIES.stop - 1}"
            problems.append(Problem("priority", f"{start.priority} is no priority", hint))
    return problems


def _row(program: Program, *, start: Start, actor: Actor, deadline_s: float | None, now: datetime) -> RunRow:
    run_id = identity.run_id(unix_ms=int(now.timestamp() * 1000), random_bytes=os.urandom(10))
    start_at = start.start_at if start.start_at is not None and start.start_at > now else None
    input_text = _input_text(start.input)
    share = _share(program, run_id=run_id, start=start, now=now)
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
        "fairness_key": share.key,
        "fairness_weight": share.weight,
        "deadline_at": None if deadline_s is None else ((start_at or now) + timedelta(seconds=deadline_s)).isoformat(),
        "start_key": start.key,
        "start_digest": hashlib.sha256(program.workflow_name.encode() + b"\0" + input_text).hexdigest(),
        "start_at": None if start_at is None else start_at.isoformat(),
        "created_at": now.isoformat(),
        "event": encode(event),
    }


def _share(program: Program, *, run_id: UUID, start: Start, now: datetime) -> Share:
    if program.fairness_key is None:
        return share_of(program, context={})
    run: JsonValue = {
        "id": str(run_id),
        "workflow": program.workflow_name,
        "version": program.number,
        "correlation_id": start.correlation_id or str(run_id),
        "started_at": now.isoformat(),
    }
    return share_of(program, context={"input": start.input, "steps": {}, "run": run})


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
            **timings.entry_times(program.plan, segment=entry.segment, position=entry.position),
        }
        for entry in _first(program)
    ]


def _first(program: Program) -> Sequence[Entry]:
    return progress.advance(program.plan, ended={}, active=frozenset()).ready


def _resolve(rows: Sequence[RunRow], *, begun: Set[UUID]) -> Sequence[Started]:
    """Some keys were used before: give the runs they started, if the requests were the same."""
    if len(begun) == len(rows):
        return [Started(UUID(row["id"]), is_new=True) for row in rows]
    keys = [row["start_key"] for row in rows if UUID(row["id"]) not in begun]
    known = start_keys.find(keys)
    results: list[Started] = []
    for row in rows:
        run_id = UUID(row["id"])
        if run_id in begun:
            results.append(Started(run_id, is_new=True))
            continue
        earlier = known[str(row["start_key"])]
        if earlier.digest != row["start_digest"]:
            raise StartKeyReused(earlier.key)
        results.append(Started(earlier.run_id, is_new=False))
    return results
