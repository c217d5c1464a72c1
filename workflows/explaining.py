"""Why a run is not further on: every reason with its object, since when, until when, what would end it, who is ahead.

It reads only, and knows no reason by name but those whose lines it can look into: a new `WaitReason` with its words in
`workflows/core/wording.py` is told like all others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from integrations import call_queries
from workflows import capacity, child_queries, human_queries, inspection, places, plans
from workflows.core.plan import Plan
from workflows.core.standing import Standing
from workflows.core.states import Phase, RunState, WaitReason
from workflows.core.subworkflow import MAX_DEPTH
from workflows.core.voting import OnExpiry, RequestKind
from workflows.core.wording import WORDS, Words
from workflows.human_queries import Asked
from workflows.inspection import StepReport, Wait
from workflows.models import Run

_SHOWN = 10
_EXPIRED: Mapping[OnExpiry, str] = {
    OnExpiry.REJECT: "it is rejected",
    OnExpiry.APPROVE: "it is approved",
    OnExpiry.FAIL: "the step fails",
    OnExpiry.CONTINUE: "the run goes on without it",
}
_OF_PEOPLE = (WaitReason.APPROVAL, WaitReason.TASK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a run is not further on at one step.

    `until` is when the engine acts by itself, if it is known. `ahead` names who or what comes first; `position` counts
    from 1 in a line. `count` says how many pullers of a `for_each` wait alike. At `fails_at` the step fails by itself.
    """

    step: str
    reason: WaitReason
    object_kind: str
    object_name: str
    since: datetime
    until: datetime | None
    says: str
    ends_when: str
    attempt: int
    is_running: bool
    position: int | None = None
    ahead: Sequence[str] = ()
    count: int = 1
    fails_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """A step that has not been reached, with those of its needs that have not ended."""

    step: str
    waits_for: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a run is doing and why; `reasons` is empty only when it has ended, and `summary` says it in one line."""

    run_id: UUID
    workflow: str
    state: str
    summary: str
    ended_at: datetime | None
    deadline_at: datetime | None
    reasons: Sequence[Reason]
    behind: Sequence[Behind]


def explain(run: Run) -> Explanation:
    """This will say why a run is where it is."""
    reasons = [_reason(run, waits=alike) for alike in _grouped(inspection.waits_of(run))]
    behind = _behind(run) if run.state == RunState.RUNNING else ()
    return Explanation(
        run_id=run.id,
        workflow=run.workflow_name,
        state=run.state,
        summary=_summary(run, reasons=reasons),
        ended_at=run.ended_at,
        deadline_at=run.deadline_at,
        reasons=reasons,
        behind=behind,
    )


def _said(run: Run, *, wait: Wait, words: Words) -> Iterator[str]:
    yield words.says
    if wait.beat is not None:
        yield inspection.beat_words(wait.beat)
    if wait.reason in (WaitReason.RETRY, WaitReason.SETTLING):
        for key in call_queries.in_doubt(run_id=run.id, step=wait.step):
            yield f"its call {key} may have happened: that is found out, or the peer sees the same key again"


def _grouped(waits: Sequence[Wait]) -> Sequence[Sequence[Wait]]:
    """The pullers of a `for_each` that wait alike are one reason; those at work are one, too."""
    groups: dict[tuple[str, WaitReason], list[Wait]] = {}
    for wait in waits:
        groups.setdefault((wait.step, wait.reason), []).append(wait)
    return list(groups.values())


def _reason(run: Run, *, waits: Sequence[Wait]) -> Reason:
    wait = waits[0]
    words = _words(wait)
    position, ahead = _ahead(run, wait=wait)
    untils = [one.due_at for one in waits if one.due_at is not None]
    return Reason(
        step=wait.step,
        reason=wait.reason,
        object_kind=wait.object_kind,
        object_name=wait.object_name,
        since=min(one.since for one in waits),
        until=min(untils) if untils and wait.reason is not WaitReason.WORKER else None,
        says="; ".join(_said(run, wait=wait, words=words)),
        ends_when=words.ends_when if wait.fate is None else f"{words.ends_when}; {wait.fate.words}",
        attempt=wait.attempt,
        is_running=wait.is_running,
        position=position,
        ahead=ahead,
        count=len(waits),
        fails_at=wait.fails_at,
    )


def _words(wait: Wait) -> Words:
    words = WORDS[wait.reason].about(wait.object_name or "this workflow")
    if wait.pause is not None:
        return replace(
            words, says=f"is paused with the {wait.pause.words}, since {wait.pause.paused_at:%Y-%m-%d %H:%M}"
        )
    if wait.requests and wait.reason in _OF_PEOPLE:
        return _asking_words(human_queries.asked(wait.requests[0], limit=0))
    if wait.reason.is_gate:
        return replace(words, says=places.gate_words(reason=wait.reason, key=wait.object_name, place=wait.place))
    if wait.reason is WaitReason.LIMIT:
        if wait.line is None:
            return Words(f"waits for the limit {wait.object_name}, which does not exist", "somebody sets its capacity")
        held = f"{wait.line.held} of {wait.line.capacity} slots are held"
        return replace(words, says=f"{words.says}, place {wait.line.position} in line; {held}")
    return words


def _asking_words(asked: Asked) -> Words:
    if asked.kind is RequestKind.TASK:
        says, ends = f"waits for task {asked.request}: {_who_has(asked)}", "somebody says that it is done"
    else:
        told = f"{asked.given} of {asked.needed} given, asked are {asked.people}"
        says = f"waits for approval {asked.request}: {told}"
        ends = f"{asked.needed - asked.given} more of them say yes, or somebody says no"
    if not asked.is_reachable:
        says += "; too few people can answer"
        ends = f"more people join who may answer, and then {ends}"
    if asked.until is not None:
        ends += f"; until {asked.until:%Y-%m-%d %H:%M:%S}, else {_EXPIRED[asked.on_expiry]}"
    return Words(says, ends)


def _who_has(asked: Asked) -> str:
    told = f"{asked.claimed_by} has it" if asked.claimed_by else f"nobody has it yet, asked are {asked.people}"
    return told if asked.due_at is None else f"{told}, due {asked.due_at:%Y-%m-%d %H:%M:%S}"


def _ahead(run: Run, *, wait: Wait) -> tuple[int | None, Sequence[str]]:
    if wait.place is not None:
        return wait.place.position, [f"run {holder} holds a slot" for holder in wait.place.holders]
    if wait.line is not None:
        held = capacity.holders(name=wait.object_name)[:_SHOWN]
        line = [one for one in capacity.line(name=wait.object_name) if one.position < wait.line.position]
        return wait.line.position, [
            *(f"run {one.run_id} holds a slot at {one.step}" for one in held),
            *(f"run {one.run_id} is before it in line at {one.step}" for one in line[:_SHOWN]),
        ]
    if wait.requests:
        return None, [
            f"{', '.join(asked.may_answer) or 'nobody'} may answer {asked.kind} {asked.request}"
            for asked in (human_queries.asked(row, limit=_SHOWN) for row in wait.requests[:_SHOWN])
        ]
    if wait.reason is WaitReason.WORKER:
        return None, [inspection.ahead_of(run, wait=wait)]
    if wait.reason is WaitReason.CHILD_RUN:
        return None, _down(UUID(wait.object_name))
    if wait.reason is WaitReason.ITEMS:
        links = child_queries.running_children(run.id, step=wait.step, limit=_SHOWN)
        return None, [f"run {link.child_id} of {link.workflow_name} has not ended" for link in links]
    return None, ()


def _down(run_id: UUID) -> Sequence[str]:
    """What a run that is waited for waits for itself, down to the one that waits for no other run."""
    found: list[str] = []
    while len(found) < MAX_DEPTH:
        run = Run.objects.filter(id=run_id).first()
        if run is None:
            return [*found, f"run {run_id}, which is not kept any more"]
        waits = inspection.waits_of(run)
        if not waits:
            return [*found, f"run {run_id} of {run.workflow_name} has {run.state}"]
        wait = min(waits, key=lambda one: (one.is_running, one.since))
        found.append(f"run {run_id} of {run.workflow_name}: {wait.step} {_words(wait).says}")
        if wait.reason is not WaitReason.CHILD_RUN:
            break
        run_id = UUID(wait.object_name)
    return found


def _behind(run: Run) -> Sequence[Behind]:
    plan = plans.program_of(run.program_id).plan
    reports: dict[str, StepReport] = {report.step: report for report in inspection.steps_of(run)}
    unended = {step for step, report in reports.items() if report.ended_at is None}
    return [
        Behind(step=step, waits_for=[need for need in _comes_after(plan, step=step) if need in unended])
        for step, report in reports.items()
        if report.state is Standing.PENDING
    ]


def _comes_after(plan: Plan, *, step: str) -> Sequence[str]:
    """What happens at the end of a run comes after the whole main part."""
    needs = plan.graph.needs[step]
    return plan.main if plan.graph.steps[step].phase is not Phase.MAIN and not needs else needs


def _summary(run: Run, *, reasons: Sequence[Reason]) -> str:
    if run.state != RunState.RUNNING:
        message = run.error.get("message", "") if isinstance(run.error, dict) else ""
        return f"it has {run.state}: {message}" if message else f"it has {run.state}"
    if not reasons:
        return "it waits for nothing: this is a defect, please report it"
    first = min(reasons, key=lambda reason: (reason.is_running, reason.since))
    more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    ending = f"it is ending as {run.ending}: " if run.ending else ""
    late = "" if run.deadline_missed_at is None else f"late since {run.deadline_missed_at:%Y-%m-%d %H:%M:%S}: "
    return f"{late}{ending}{first.step} {first.says}{more}"
