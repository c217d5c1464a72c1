"""The step `workflow`: starts a run for a step, once, gives what it came to, and carries out what its end has left.

Locks: the parent first, then the run it starts or goes on with. Whoever ends a run locks nothing of its parent but the
activation that waits: see `workflows/operations/child_ends.py` and docs/adr/0021-runs-that-steps-start.md.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson
import structlog
from django.db import DatabaseError, transaction

from audit.events import Actor, ActorKind
from workflows import child_queries, plans
from workflows.core import pins, subworkflow
from workflows.core.definition import JsonObject
from workflows.core.outcome import Failed, Parked
from workflows.core.states import DeadLetterState, FailureKind, Phase, RunState, WaitReason
from workflows.core.subworkflow import Child, Mode, Next, SubworkflowInvalid, Wanted
from workflows.core.waiting_kinds import Stay
from workflows.errors import (
    ConcurrencyReached,
    DeadLetterResolved,
    InputInvalid,
    RunBusy,
    RunEnded,
    StartRateLimited,
    StillEnding,
    UnknownRun,
    UnknownVersion,
    UnknownWorkflow,
    WorkflowDisabled,
    WorkflowError,
)
from workflows.models import Activation, ChildRun, DeadLetter, Run
from workflows.operations import dry_runs, endings, repairs, starting
from workflows.operations.dry_runs import Dry
from workflows.operations.starting import Start

log = structlog.get_logger(__name__)
_ENGINE = Actor(kind=ActorKind.ENGINE)
_AGAIN_S = 0.5
_MOST = 100


class _Refused(Exception):
    """No run may be started; the message says why."""


class _Gone(Exception):
    """The run that would have been joined has just ended."""


def look(stay: Stay) -> JsonObject | Failed | Parked:
    """This will start the run a step asks for, or say what has become of it; it may be called at any time again."""
    try:
        wanted = subworkflow.read(stay.inputs)
        link = _latest(stay)
        step = subworkflow.next_of(_seen(link, stay=stay, wanted=wanted), mode=wanted.mode)
        if link is None or step in (Next.START, Next.ADOPT, Next.REVIVE):
            link = _prepare(stay, wanted=wanted)
            step = subworkflow.next_of(_seen(link, stay=stay, wanted=wanted), mode=wanted.mode)
        return _answer(link, step=step, stay=stay)
    except (_Refused, SubworkflowInvalid, UnknownWorkflow, UnknownVersion, WorkflowDisabled, InputInvalid) as error:
        return Failed(kind=FailureKind.REFUSED, message=str(error), payload=stay.inputs)
    except ConcurrencyReached as error:
        return Failed(kind=FailureKind.UNAVAILABLE, message=str(error), payload=stay.inputs)
    except StartRateLimited as error:
        return _later(stay, name=error.workflow, delay_s=error.again_in_s)
    except (_Gone, RunBusy):
        return _later(stay, name=str(stay.inputs["name"]), delay_s=_AGAIN_S)


def sweep(*, now: datetime) -> None:
    """This will cancel runs whose parents have ended, and bring steps back whose runs have succeeded after all."""
    for link in ChildRun.objects.filter(order="wanted").order_by("id")[:_MOST]:
        try:
            _carry_out(link, now=now)
        except DatabaseError:  # it is looked at again; the others must go on
            log.warning("child_not_cancelled", run_id=str(link.child_id), exc_info=True)
    for link in ChildRun.objects.filter(is_owed=True).order_by("id")[:_MOST]:
        if _is_settled(link, now=now):
            ChildRun.objects.filter(id=link.id).update(is_owed=False)


def _latest(stay: Stay) -> ChildRun | None:
    links = ChildRun.objects.filter(parent_id=stay.run_id, step=stay.step, index=stay.index)
    return links.order_by("-round").first()


def _seen(link: ChildRun | None, *, stay: Stay, wanted: Wanted) -> Child | None:
    """Where its run is not kept any more, what it came to is asked for only where that matters."""
    if link is None:
        return None
    is_of_round, is_same_request = link.round == stay.round, link.request_sha256 == _digest(wanted)
    found = Run.objects.filter(id=link.child_id).values_list("state", "ending").first()
    if found is None and (wanted.mode is Mode.WAIT if is_of_round else is_same_request):
        raise _Refused(_not_kept(link))
    state, ending = found or (RunState.CANCELLED, RunState.CANCELLED)
    return Child(
        state=RunState(state),
        is_of_round=is_of_round,
        is_same_request=is_same_request,
        is_going=ending != RunState.CANCELLED,
        has_letters=state == RunState.FAILED and bool(_letters(link)),
    )


def _answer(link: ChildRun, *, step: Next, stay: Stay) -> JsonObject | Failed | Parked:
    run_id = str(link.child_id)
    if step is Next.WAIT:
        return Parked(reason=WaitReason.CHILD_RUN, object=run_id)
    if step is Next.GIVE and link.mode == Mode.DETACH:
        return {"run_id": run_id}
    run = Run.objects.filter(id=link.child_id).first()
    if run is None:
        raise _Refused(_not_kept(link))
    if step is Next.FAIL:
        return subworkflow.failure_of(
            workflow=run.workflow_name, run_id=run_id, state=RunState(run.state), error=run.error, payload=stay.inputs
        )
    return {"run_id": run_id, "output": run.output}


def _not_kept(link: ChildRun) -> str:
    return (
        f"run {link.child_id} of {link.workflow_name}, which it started, is not kept any more: nobody can tell what it "
        "came to; set the result by hand, or ask for something else"
    )


def _later(stay: Stay, *, name: str, delay_s: float) -> Parked:
    until = stay.now + timedelta(seconds=delay_s)
    return Parked(reason=WaitReason.CHILD_START, object=name, until=until)


def _prepare(stay: Stay, *, wanted: Wanted) -> ChildRun:
    """Start the run of this round, or take over the one of an earlier one; the parent is locked, so this is done once.

    What a parent starts that is being ended meanwhile would be nobody's to cancel.
    """
    with transaction.atomic():
        parent = Run.objects.select_for_update().filter(id=stay.run_id).first()
        if parent is None:
            raise _Refused("its run is not kept any more: it starts no other")
        phase = plans.program_of(parent.program_id).plan.graph.steps[stay.step].phase
        if parent.state != RunState.RUNNING or (parent.ending and phase is Phase.MAIN):
            raise _Refused("its run is ending: it starts no other")
        link = _latest(stay)
        step = subworkflow.next_of(_seen(link, stay=stay, wanted=wanted), mode=wanted.mode)
        if link is None or step is Next.START:
            return _start(parent, stay=stay, wanted=wanted)
        if step is Next.REVIVE:
            _revive(link, now=stay.now)
        if step in (Next.REVIVE, Next.ADOPT):
            link.round, link.order, link.is_owed = stay.round, "", False
            link.save(update_fields=["round", "order", "is_owed"])
        return link


def _start(parent: Run, *, stay: Stay, wanted: Wanted) -> ChildRun:
    above = child_queries.ancestors(parent.id)
    if len(above) >= subworkflow.MAX_DEPTH:
        raise _Refused(
            f"runs are nested {subworkflow.MAX_DEPTH} deep here, and no deeper: a workflow that starts itself needs an "
            "`if` that ends it"
        )
    start = Start(
        input=wanted.input,
        correlation_id=stay.correlation_id,
        traceparent=parent.traceparent,
        priority=parent.priority,
        version=wanted.version,
        dry=Dry(pins=pins.of_child(dry_runs.pins_of(parent.id), step=stay.step)) if parent.is_dry else None,
    )
    started = starting.start_run(workflow=wanted.name, start=start, actor=_ENGINE, now=stay.now)
    if started.run_id in (parent.id, *(link.parent_id for link in above)):
        raise _Refused(
            f"it would wait for itself: run {started.run_id} of {wanted.name}, which it joined, waits for it"
        )
    run = Run.objects.select_for_update().only("id", "state").filter(id=started.run_id).first()
    if run is None or (not started.is_new and run.state != RunState.RUNNING):
        raise _Gone
    if wanted.mode is Mode.WAIT:
        Run.objects.filter(id=run.id).update(is_awaited=True)
    return ChildRun.objects.create(
        parent_id=parent.id,
        step=stay.step,
        index=stay.index,
        round=stay.round,
        child_id=run.id,
        workflow_name=wanted.name,
        request_sha256=_digest(wanted),
        mode=wanted.mode,
        on_parent_end=wanted.on_parent_end,
        is_own=started.is_new,
        depth=len(above) + 1,
        created_at=stay.now,
    )


def _revive(link: ChildRun, *, now: datetime) -> None:
    """What failed in the run is tried again where it failed."""
    for letter in _letters(link):
        try:
            repairs.requeue_dead_letter(dead_letter_id=letter.id, actor=_ENGINE, now=now)
        except DeadLetterResolved:
            continue  # it came back with another one


def _letters(link: ChildRun) -> Sequence[DeadLetter]:
    """What can be tried again of a run that has failed; nothing where what it did was taken back."""
    run = Run.objects.only("id", "version_id", "grown_id").filter(id=link.child_id).first()
    if run is None or repairs.is_undone(link.child_id, program=plans.program_of(run.program_id)):
        return ()
    letters = DeadLetter.objects.filter(run_id=link.child_id, state=DeadLetterState.OPEN).order_by("id")
    return [letter for letter in letters if repairs.is_requeueable(letter)]


def _digest(wanted: Wanted) -> str:
    pin = [] if wanted.version is None else [wanted.version]
    text = orjson.dumps([wanted.name, wanted.input, *pin], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def _carry_out(link: ChildRun, *, now: datetime) -> None:
    reason = f"the run {link.parent_id} that started it has ended"
    with contextlib.suppress(RunEnded, UnknownRun):  # there is nothing left to cancel
        endings.cancel_run(run_id=link.child_id, actor=_ENGINE, now=now, reason=reason)
    ChildRun.objects.filter(id=link.id, order="wanted").update(order="done")


def _is_settled(link: ChildRun, *, now: datetime) -> bool:
    """Bring the step back that had failed with the run; False when it cannot be said yet whether there is one."""
    letters = DeadLetter.objects.filter(run_id=link.parent_id, step=link.step, index=link.index)
    letter = letters.filter(state=DeadLetterState.OPEN).order_by("-id").first()
    if letter is None:
        return not _is_active(link)
    try:
        repairs.requeue_dead_letter(dead_letter_id=letter.id, actor=_ENGINE, now=now)
    except (RunBusy, StillEnding):
        return False
    except WorkflowError as error:
        log.warning("parent_not_requeued", run_id=str(link.parent_id), step=link.step, why=str(error))
    return True


def _is_active(link: ChildRun) -> bool:
    """A worker may be about to end the step with the failure it has seen."""
    parent = Run.objects.filter(id=link.parent_id).first()
    if parent is None:
        return False
    segment, _ = plans.program_of(parent.program_id).plan.place_of[link.step]
    return Activation.objects.filter(run_id=parent.id, segment=segment).exists()
