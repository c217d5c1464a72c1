"""Starts of workflows with flow control: asks the gates before a run begins, in the same transaction.

Order: idempotency key, rate limit, batch or debounce, singleton, throttle, concurrency. A start that comes again with
its key asks no gate; one that leads to no run consumes nothing. A delayed start asks all but the rate limit later.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import OperationalError, transaction

from audit.events import Actor
from workflows import gate_store, statements, store
from workflows.core.definition import JsonValue
from workflows.core.flow_control import GateKind
from workflows.core.problems import Problem
from workflows.core.states import RunState, WaitReason
from workflows.errors import InputInvalid, StartKeyReused, StartRateLimited
from workflows.flow import NO_GATES, Gates, KeyFailed, context_of
from workflows.gate_models import JoinedStart
from workflows.operations import gathering, slots, start_keys
from workflows.operations.passing import Entrant, SingletonTaken, go_on
from workflows.operations.patience import between_steps
from workflows.plans import Program
from workflows.release_store import CurrentRelease
from workflows.store import EntryRow, RunRow

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The run that stands for a start. `joined` names the rule by which it is one that another start began."""

    run_id: UUID
    is_new: bool
    joined: str = ""
    state: RunState = RunState.RUNNING
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A start with its gates."""

    row: RunRow
    entries: Sequence[EntryRow]
    gates: Gates
    program: Program
    rank: int


class _ReleaseIsOld(Exception):
    """Another release came into use, or the workflow was disabled, since the caller looked; nothing has begun."""


class _KeyInUse(Exception):
    """Another transaction has used one of the keys for too long; `error` says so."""

    def __init__(self, error: OperationalError) -> None:
        super().__init__(str(error))
        self.error = error


def are_known(keys: Collection[str | None]) -> bool:
    """This will tell whether starts with these keys have all been answered before; one without a key never has."""
    if None in keys:
        return False
    unknown = set(keys) - set(start_keys.find(keys))
    return not unknown - set(JoinedStart.objects.filter(start_key__in=unknown).values_list("start_key", flat=True))


def admit(
    release: CurrentRelease,
    *,
    programs: Sequence[Program],
    rows: Sequence[RunRow],
    entries: Sequence[EntryRow],
    actor: Actor,
    now: datetime,
    key_wait_ms: int | None = None,
) -> Sequence[Admitted] | None:
    """This will let starts in, have them wait, or have them join a run: all of them or none, in their order.

    `programs` are the versions they got. None: the release is not in use any more, and nothing has begun. Raises
    InputInvalid when a key cannot be computed, StartRateLimited, ConcurrencyReached, StartKeyReused, and
    OperationalError when another transaction uses a key for longer than `key_wait_ms`.
    """
    entries_of: dict[str, list[EntryRow]] = defaultdict(list)
    for entry in entries:
        entries_of[entry["run_id"]].append(entry)
    arrivals = [
        _Arrival(row, entries_of[row["id"]], gates, program, release.rank_of(program.version_id))
        for row, program, gates in zip(rows, programs, _all_gates(programs, rows=rows), strict=True)
    ]
    try:
        answers = between_steps(
            lambda: _admit_all(release, arrivals=arrivals, actor=actor, now=now, key_wait_ms=key_wait_ms)
        )
    except _ReleaseIsOld:
        return None
    except _KeyInUse as in_use:
        raise in_use.error from in_use.error.__cause__
    admitted: list[Admitted] = []
    for answer in answers:
        if isinstance(answer, StartRateLimited):  # counted in the transaction that is over
            raise answer
        admitted.append(answer)
    return admitted


def _all_gates(programs: Sequence[Program], *, rows: Sequence[RunRow]) -> Sequence[Gates]:
    found: list[Gates] = []
    problems: list[Problem] = []
    for program, row in zip(programs, rows, strict=True):
        if program.flow is None:
            found.append(NO_GATES)
            continue
        if program.flow.control.gathers and row["start_at"] is not None:
            hint = "start it when the time has come, or without batch and debounce"
            problems.append(Problem("start_at", "starts that are gathered into one run cannot be delayed", hint))
        try:
            found.append(program.flow.gates(context_of(run=_run_fields(program, row), value=row["input"])))
        except KeyFailed as failed:
            problems.extend(failed.problems)
    if problems:
        raise InputInvalid(problems)
    return found


def _run_fields(program: Program, row: RunRow) -> Mapping[str, object]:
    return {
        "id": row["id"],
        "workflow": program.workflow_name,
        "version": program.number,
        "correlation_id": row["correlation_id"],
        "started_at": row["created_at"],
    }


def _admit_all(
    release: CurrentRelease, *, arrivals: Sequence[_Arrival], actor: Actor, now: datetime, key_wait_ms: int | None
) -> Sequence[Admitted | StartRateLimited]:
    _lock_keys({arrival.row["start_key"] for arrival in arrivals}, wait_ms=key_wait_ms)
    if len(arrivals) == 1:
        return [_admit(release, arrivals[0], actor=actor, now=now)]
    _hold_all(arrivals)
    answers: list[Admitted] = []
    for arrival in arrivals:
        answer = _admit(release, arrival, actor=actor, now=now)
        if isinstance(answer, StartRateLimited):
            raise answer
        answers.append(answer)
    return answers


def _lock_keys(keys: Collection[str | None], *, wait_ms: int | None) -> None:
    wait = None if wait_ms is None else f"{wait_ms}ms"
    try:
        for key in sorted(key for key in keys if key is not None):
            statements.run("lock_start_key", {"key": key, "wait": wait})
    except OperationalError as error:
        raise _KeyInUse(error) from error


def _hold_all(arrivals: Sequence[_Arrival]) -> None:
    """Several starts lock all gates they may need before the first one passes any, in the one order there is."""
    by_rank = sorted(arrivals, key=lambda arrival: arrival.rank)
    asked = {key.id: (key, arrival.rank) for arrival in by_rank for key in arrival.gates.every}
    gate_store.hold_gates(list(asked.values()), workflow=arrivals[0].program.workflow_name)


def _admit(release: CurrentRelease, arrival: _Arrival, *, actor: Actor, now: datetime) -> Admitted | StartRateLimited:
    earlier = _find_earlier(arrival.row)
    if earlier is not None:
        return earlier
    try:
        with transaction.atomic():
            return _rate_limited(arrival) or _enter(release, arrival, actor=actor, now=now)
    except SingletonTaken as taken:
        if arrival.row["start_key"] is not None:
            gathering.note_join(
                taken.run_id, how=GateKind.SINGLETON, position=0, row=arrival.row, value=None, has_key=True
            )
        return Admitted(run_id=taken.run_id, is_new=False, joined=GateKind.SINGLETON.word)


def _enter(release: CurrentRelease, arrival: _Arrival, *, actor: Actor, now: datetime) -> Admitted:
    entrant = Entrant(
        run_id=UUID(arrival.row["id"]),
        program=arrival.program,
        gates=arrival.gates,
        correlation_id=arrival.row["correlation_id"],
        has_caller=True,
        is_held=False,
        rank=arrival.rank,
    )
    if gathering.gathering_gate(arrival.gates) is not None:
        return _gather(release, entrant, arrival=arrival, actor=actor, now=now)
    _begin(release, arrival.row, entries=arrival.entries)
    start_at = arrival.row["start_at"]
    if arrival.program.flow is None:
        return Admitted(run_id=entrant.run_id, is_new=True)
    if start_at is not None:
        due_at = datetime.fromisoformat(start_at)
        slots.hold_back(entrant.run_id, reason=WaitReason.DELAYED_ENTRY, about="", due_at=due_at)
        return Admitted(run_id=entrant.run_id, is_new=True)
    return Admitted(run_id=entrant.run_id, is_new=True, state=go_on(entrant, after=0, now=now))


def _find_earlier(row: RunRow) -> Admitted | None:
    """What the same key was answered with. Raises StartKeyReused."""
    key = row["start_key"]
    if key is None:
        return None
    begun = start_keys.find([key]).get(key)
    joined = JoinedStart.objects.filter(start_key=key).first() if begun is None else None
    digest = joined.start_digest if joined is not None else begun.digest if begun is not None else None
    if digest is not None and digest != row["start_digest"]:
        raise StartKeyReused(key)
    if begun is not None:
        return Admitted(run_id=begun.run_id, is_new=False, is_repeated=True)
    if joined is not None:
        return Admitted(run_id=joined.run_id, is_new=False, joined=joined.how, is_repeated=True)
    return None


def _rate_limited(arrival: _Arrival) -> StartRateLimited | None:
    key, program = arrival.gates.rate_limit, arrival.program
    rule = None if program.flow is None else program.flow.control.rate_limit
    if key is None or rule is None:
        return None
    turn = gate_store.take_turn(key, workflow=program.workflow_name, rate=rule.rate, may_refuse=True)
    if not turn.is_refused:
        return None
    log.warning("start_refused", workflow=program.workflow_name, key=key.key, again_in_s=turn.wait_s)
    return StartRateLimited(workflow=program.workflow_name, key=key.key, again_in_s=turn.wait_s)


def _gather(release: CurrentRelease, entrant: Entrant, *, arrival: _Arrival, actor: Actor, now: datetime) -> Admitted:
    key = gathering.gathering_gate(arrival.gates)
    assert key is not None, "there is a gate to gather at"
    row, value = arrival.row, arrival.row["input"]
    gate = gathering.hold(key, program=entrant.program)
    run = gathering.find_open(gate, key=key)
    if run is not None:
        gathering.join(run, gate=gate, program=entrant.program, key=key, row=row, value=value, actor=actor, now=now)
        return Admitted(run_id=run.id, is_new=False, joined=key.kind.word)
    items: JsonValue = {"items": []}
    _begin(release, row if arrival.gates.batch is None else {**row, "input": items}, entries=arrival.entries)
    state = gathering.open_run(entrant, key=key, row=row, value=value, now=now)
    return Admitted(run_id=entrant.run_id, is_new=True, state=state)


def _begin(release: CurrentRelease, row: RunRow, *, entries: Sequence[EntryRow]) -> None:
    """Store the run. Its key is free here, unless a workflow without flow control takes it at this moment."""
    begun = store.start_runs(release_id=release.id, runs=[row], entries=entries)
    if begun is None:
        raise _ReleaseIsOld
    if not begun:
        raise StartKeyReused(str(row["start_key"]))
