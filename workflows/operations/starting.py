"""Starts runs: the run, its first activations and its audit event in one statement, on a version that is in use.

While a canary is under way each start gets one of two versions, by its correlation id, else by its idempotency key,
else by chance; see `workflows/core/canary.py`.

It joins the caller's transaction if there is one: business data and runs commit together or not at all.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.db import transaction

from audit.events import Actor, Event, EventKind, encode
from workflows import plans, release_store, store, tracing
from workflows.core import identity, progress
from workflows.core.definition import JsonValue
from workflows.core.problems import Problem
from workflows.core.progress import Entry
from workflows.core.states import RunState
from workflows.core.storable import holds_nul
from workflows.errors import InputInvalid, LaneFull, StartKeyReused, UnknownWorkflow, WorkflowDisabled
from workflows.models import WorkflowVersion
from workflows.operations import admission, deadlines, dry_runs, lane_room, start_keys, timings
from workflows.operations.dry_runs import Dry
from workflows.operations.fairness import Share, share_of
from workflows.plans import Program
from workflows.release_store import CurrentRelease
from workflows.store import EntryRow, RunRow

PRIORITIES = range(-100, 101)
_KNOWN_MAX = 1024
_known: dict[str, CurrentRelease] = {}
"""The release of each workflow as this process saw it last. The statement that starts runs checks it, so that what has
become old costs one look-up and never a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One run to start.

    `key` makes the start idempotent: the client's name and its Idempotency-Key. `correlation_id` and
    `traceparent` (W3C) connect the run with what caused it. Higher `priority` starts first. Before `start_at`
    nothing starts; what is past means at once. `actor`: who caused this one, if not the caller. With `version` it gets
    that one, whatever is in use. `dry`: it has no effect outside, asks no gates and counts nowhere.
    """

    input: JsonValue = None
    key: str | None = None
    correlation_id: str = ""
    traceparent: str = ""
    priority: int = 0
    start_at: datetime | None = None
    actor: Actor | None = None
    version: int | None = None
    dry: Dry | None = None


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

    workflow: str
    starts: Sequence[Start]
    run_ids: Sequence[UUID]
    actor: Actor
    now: datetime
    is_limited: bool
    key_wait_ms: int | None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A start, the id its run would have, and the version it gets."""

    start: Start
    run_id: UUID
    program: Program


def start_run(
    *,
    workflow: str,
    start: Start,
    actor: Actor,
    now: datetime,
    is_limited: bool = False,
    key_wait_ms: int | None = None,
) -> Started:
    """This will start one run of a version that is in use. Raises as `start_runs` does.

    With `key_wait_ms` it raises OperationalError when another transaction uses the key for longer than that.
    """
    wanted = _Wanted(
        workflow=workflow,
        starts=[start],
        run_ids=_run_ids(1, now=now),
        actor=actor,
        now=now,
        is_limited=is_limited,
        key_wait_ms=key_wait_ms,
    )
    return _traced(wanted)[0]


def start_runs(
    *, workflow: str, starts: Sequence[Start], actor: Actor, now: datetime, is_limited: bool = False
) -> Sequence[Started]:
    """This will start runs of versions that are in use, all or none, in their order.

    Raises UnknownWorkflow, UnknownVersion, WorkflowDisabled, InputInvalid, StartKeyReused, where the definition
    controls flow StartRateLimited and ConcurrencyReached, and, when `is_limited`, LaneFull when too much waits already
    in a lane they begin in; a start whose key is known is answered all the same. Inside the caller's
    `transaction.atomic()` the runs begin when it commits, and never when it does not.
    """
    wanted = _Wanted(
        workflow=workflow,
        starts=starts,
        run_ids=_run_ids(len(starts), now=now),
        actor=actor,
        now=now,
        is_limited=is_limited,
        key_wait_ms=None,
    )
    return _traced(wanted)


def find_version(*, workflow: str, key: str) -> int:
    """This will give the id of the version that a start with this key gets now. Raises as `start_runs` does."""
    return _release(workflow).version_for(key)


def _run_ids(number: int, *, now: datetime) -> Sequence[UUID]:
    unix_ms = int(now.timestamp() * 1000)
    return [identity.run_id(unix_ms=unix_ms, random_bytes=os.urandom(10)) for _ in range(number)]


def _traced(wanted: _Wanted) -> Sequence[Started]:
    with tracing.span_of_start(wanted.workflow):
        started = None
        known = _known.get(wanted.workflow)
        if known is not None:
            started = _start_in(known, wanted=wanted)
        while started is None:  # again only when the release changed between the two statements
            started = _start_in(_release(wanted.workflow), wanted=wanted)
        return started


def _start_in(release: CurrentRelease, *, wanted: _Wanted) -> Sequence[Started] | None:
    """Start what this release gives; None: it is not in use any more, and nothing has begun."""
    try:
        candidates = _candidates(release, wanted=wanted)
    except WorkflowVersion.DoesNotExist:  # what was remembered was published in a transaction that never committed
        return None
    problems = _input_problems(candidates)
    if problems:
        if _release(wanted.workflow).id != release.id:
            return None
        raise InputInvalid(problems)
    programs = {one.program.version_id: one.program for one in candidates}
    if wanted.is_limited:
        _ask_for_room(programs.values(), starts=wanted.starts)
    lengths_s = {
        version_id: deadlines.length_s(program.plan.definition.deadline, workflow=wanted.workflow)
        for version_id, program in programs.items()
    }
    rows = [
        _row(one, actor=one.start.actor or wanted.actor, deadline_s=lengths_s[one.program.version_id], now=wanted.now)
        for one in candidates
    ]
    entries = [entry for one in candidates for entry in _entries(one.program, run_id=str(one.run_id))]
    if any(start.dry is not None for start in wanted.starts):
        return _start_dry(release, candidates=candidates, rows=rows, entries=entries, wanted=wanted)
    if any(program.flow is not None for program in programs.values()):
        return _ask_gates(release, candidates=candidates, rows=rows, entries=entries, wanted=wanted)
    is_one_statement = len(rows) == 1 or all(row["start_key"] is None for row in rows)
    with nullcontext() if is_one_statement else transaction.atomic():
        begun = store.start_runs(release_id=release.id, runs=rows, entries=entries, wait_ms=wanted.key_wait_ms)
        return None if begun is None else _resolve(rows, begun=begun)


def _start_dry(
    release: CurrentRelease,
    *,
    candidates: Sequence[_Candidate],
    rows: Sequence[RunRow],
    entries: Sequence[EntryRow],
    wanted: _Wanted,
) -> Sequence[Started] | None:
    """A dry run keeps what its steps are answered with. Among others, those that are not dry would miss gates."""
    if len(rows) > 1:
        raise InputInvalid([Problem("$", "dry runs are started one by one", "start this one alone")])
    dry = candidates[0].start.dry
    assert dry is not None, "somebody asked for a dry run"
    pins = dry_runs.check(dry, program=candidates[0].program)
    with transaction.atomic():
        begun = store.start_runs(release_id=release.id, runs=rows, entries=entries, wait_ms=wanted.key_wait_ms)
        if begun is None:
            return None
        dry_runs.keep(sorted(begun), pins=pins, of=dry.of)
        return _resolve(rows, begun=begun)


def _candidates(release: CurrentRelease, *, wanted: _Wanted) -> Sequence[_Candidate]:
    return [
        _Candidate(start, run_id, plans.program_of(_version_of(start, run_id=run_id, release=release, wanted=wanted)))
        for start, run_id in zip(wanted.starts, wanted.run_ids, strict=True)
    ]


def _version_of(start: Start, *, run_id: UUID, release: CurrentRelease, wanted: _Wanted) -> int:
    if start.version is not None:
        return plans.version_id(workflow=wanted.workflow, number=start.version)
    return release.version_for(start.correlation_id or start.key or str(run_id))


def _ask_for_room(programs: Iterable[Program], *, starts: Sequence[Start]) -> None:
    """Starts whose keys are known add nothing to a lane: they are looked up only when it is full. Raises LaneFull."""
    lanes = {program.plan.segments[entry.segment].lane for program in programs for entry in _first(program)}
    try:
        for lane in lanes:
            lane_room.ask(lane)
    except LaneFull:
        if not admission.are_known([start.key for start in starts]):
            raise


def _ask_gates(
    release: CurrentRelease,
    *,
    candidates: Sequence[_Candidate],
    rows: Sequence[RunRow],
    entries: Sequence[EntryRow],
    wanted: _Wanted,
) -> Sequence[Started] | None:
    """Gates answer some starts without storing a run: so the release is checked before they are asked, too."""
    if _release(wanted.workflow).id != release.id:
        return None
    admitted = admission.admit(
        release,
        programs=[one.program for one in candidates],
        rows=rows,
        entries=entries,
        actor=wanted.actor,
        now=wanted.now,
        key_wait_ms=wanted.key_wait_ms,
    )
    if admitted is None:
        return None
    return [Started(one.run_id, one.is_new, one.joined, one.state, one.is_repeated) for one in admitted]


def _release(name: str) -> CurrentRelease:
    """Look the release up, and remember it for the next start."""
    found = release_store.find_release(name=name)
    if found is None:
        raise UnknownWorkflow(name)
    if not found.is_enabled:
        raise WorkflowDisabled(name)
    if len(_known) >= _KNOWN_MAX:
        _known.clear()
    _known[name] = found
    return found


def _input_problems(candidates: Sequence[_Candidate]) -> Sequence[Problem]:
    problems: list[Problem] = []
    for position, one in enumerate(candidates):
        prefix = "$" if len(candidates) == 1 else f"$[{position}]"
        problems.extend(one.program.input_problems(one.start.input, prefix=prefix))
        if one.start.priority not in PRIORITIES:
            hint = f"write a whole number from {PRIORITIES.start} to {PRIORITIES.stop - 1}"
            problems.append(Problem("priority", f"{one.start.priority} is no priority", hint))
    return problems


def _row(candidate: _Candidate, *, actor: Actor, deadline_s: float | None, now: datetime) -> RunRow:
    start, run_id, program = candidate.start, candidate.run_id, candidate.program
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
            **({"mode": dry_runs.DRY_RUN} if start.dry is not None else {}),
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
        "start_digest": start_keys.digest(
            workflow=program.workflow_name, version=start.version, dry=start.dry, input_text=input_text
        ),
        "start_at": None if start_at is None else start_at.isoformat(),
        "is_dry": start.dry is not None,
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
