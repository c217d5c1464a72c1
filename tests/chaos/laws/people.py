"""Laws of decisions: no answer is lost, each request is decided once and as its answers say, and that is followed."""

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.chaos.evidence import Evidence, RequestRow, grouped
from tests.chaos.laws.law import Breach
from workflows.core.definition import StepDefinition
from workflows.core.voting import Choice, RequestKind, RequestState, Rule, Vote, decide

_ENDS = tuple(
    f"{kind}.{state}" for kind in RequestKind for state in ("approved", "rejected", "completed", "expired", "withdrawn")
)
_ASKED = tuple(f"{kind}.{word}" for kind in RequestKind for word in ("requested", "answered"))
_TAKES_BACK = ("run.cancelled", "run.failed", "run.ending", "run.moved", "result.set")
"""What withdraws a request that was open: its run came to an end, or its step got another result."""


def answers_lost(evidence: Evidence) -> Iterator[Breach]:
    """This will find answers that were confirmed and are not there, or say something else (law 5)."""
    kept = {(row.request_id, row.name): row.choice for row in evidence.answers}
    for (request_id, person), choice in evidence.book.answers.items():
        found = kept.get((request_id, person))
        if found != choice:
            yield Breach(None, f"{choice} of {person} for request {request_id} was confirmed, and there is {found}")


def decisions_wrong(evidence: Evidence) -> Iterator[Breach]:
    """This will find requests that ended otherwise than their answers say, or have not ended with their run (law 9)."""
    votes = grouped(evidence.answers, key=lambda row: row.request_id)
    for row in evidence.requests:
        run = evidence.runs[row.run_id]
        if row.state == RequestState.OPEN:
            if run.state != "running":
                yield Breach(row.run_id, f"is {run.state}, and request {row.id} is still open")
            continue
        if row.state == RequestState.WITHDRAWN:
            kinds = {event.kind for event in evidence.events_of[row.run_id]}
            if run.state != "cancelled" and not kinds.intersection(_TAKES_BACK):
                yield Breach(row.run_id, f"is {run.state}, and request {row.id} was withdrawn")
            continue
        rule = Rule(approvers=row.approvers, expires_at=row.expires_at)
        given = [Vote(person=one.name, choice=Choice(one.choice), at=one.at) for one in votes[row.id]]
        # at the end of a run the clock has gone on: what was not decided by then has expired
        due = decide(rule, votes=given, now=row.expires_at or run.created_at)
        if due != row.state:
            told = ", ".join(f"{one.person} {one.choice}" for one in given)
            yield Breach(row.run_id, f"request {row.id} is {row.state} instead of {due}, with the answers {told}")


def decisions_doubled(evidence: Evidence) -> Iterator[Breach]:
    """This will find steps that asked more than once, and people who answered more than once (laws 3 and 4)."""
    asked = Counter(
        (row.run_id, row.step, row.index, row.round) for row in evidence.requests if row.state != RequestState.WITHDRAWN
    )
    for (run_id, step, index, _), count in asked.items():
        if count > 1:
            yield Breach(run_id, f"{step}[{index}] asked {count} times")
    for (request_id, name), count in Counter((row.request_id, row.name) for row in evidence.answers).items():
        if count > 1:
            yield Breach(None, f"{name} answered request {request_id} {count} times")


def decisions_ignored(evidence: Evidence) -> Iterator[Breach]:
    """This will find runs that went on otherwise than was decided, or without anybody having been asked."""
    asked = {(row.run_id, row.step): row for row in evidence.requests if row.state != RequestState.WITHDRAWN}
    for run_id, steps in evidence.steps_of.items():
        states = {row.step: row.state for row in steps}
        for step in steps:
            if step.state != "succeeded" or not _asks(evidence.definition(run_id, step.step)):
                continue
            request = asked.get((run_id, step.step))
            if (run_id, step.step) in evidence.given:
                continue
            if request is None:
                yield Breach(run_id, f"{step.step} succeeded, and nobody was asked")
            else:
                yield from _contradictions(evidence, request, states=states)


def _word(kind: str) -> str:
    return "end" if kind in _ENDS else kind.partition(".")[2]


def _asks(step: StepDefinition) -> bool:
    return step.uses == RequestKind.APPROVAL and step.for_each is None


def request_gaps(evidence: Evidence) -> Iterator[Breach]:
    """This will compare requests, answers and decisions with their events (law 6)."""
    told: Counter[tuple[object, str, object]] = Counter(
        (event.payload["request"], _word(event.kind), event.payload.get("name"))
        for event in evidence.events
        if event.kind in (*_ENDS, *_ASKED)
    )
    kept: Counter[tuple[object, str, object]] = Counter()
    for row in evidence.requests:
        kept[row.id, "requested", None] += 1
        kept[row.id, "end", None] += row.state != RequestState.OPEN
    for answer in evidence.answers:
        kept[answer.request_id, "answered", answer.name] += 1
    ends = {event.payload["request"]: event.kind for event in evidence.events if event.kind in _ENDS}
    yield from _differences(kept, told)
    for row in evidence.requests:
        if row.id in ends and ends[row.id] != f"{row.kind}.{row.state}":
            yield Breach(row.run_id, f"request {row.id} is {row.state}, and its trail tells {ends[row.id]}")


def _contradictions(evidence: Evidence, request: RequestRow, *, states: Mapping[str, str]) -> Iterator[Breach]:
    """Steps that are to be done only when it was approved, and were done or left out otherwise."""
    condition = f"steps.{request.step}.output.approved"
    for name, state in states.items():
        is_judged = state in ("succeeded", "skipped") and (request.run_id, name) not in evidence.given
        if not is_judged or evidence.definition(request.run_id, name).condition != condition:
            continue
        if (state == "succeeded") != (request.state == RequestState.APPROVED):
            what = "done" if state == "succeeded" else "left out"
            yield Breach(request.run_id, f"request {request.id} is {request.state}, and {name} was {what}")


def _differences(
    kept: Mapping[tuple[object, str, object], int], told: Mapping[tuple[object, str, object], int]
) -> Iterator[Breach]:
    for key in kept.keys() | told.keys():
        if kept.get(key, 0) != told.get(key, 0):
            request, kind, name = key
            what = f"{kind} of {name}" if name else kind
            yield Breach(None, f"request {request} has {kept.get(key, 0)} rows and {told.get(key, 0)} events: {what}")
