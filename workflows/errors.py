"""What the engine can refuse.

WorkflowError
├── UnknownWorkflow       no workflow of that name
├── UnknownVersion        the workflow has no version of that number
├── CanaryInvalid         a canary cannot be as it was described (release_errors)
├── NoCanary              no version is on trial (release_errors)
├── WorkflowDisabled      new runs are refused while it is off
├── InputInvalid          the input does not match the workflow's schema
├── LaneFull              too much waits in the lane already: come again later
├── StartKeyReused        the same idempotency key came with another request
├── StartRateLimited      its key has had as many starts as its rate limit allows
├── ConcurrencyReached    all slots of its key are taken, and its rule refuses what comes then
├── UnknownRun            no run of that id
├── RunEnded              the run is over: there is nothing to cancel
├── RunBusy               somebody else is changing the run at this moment, and has not ended in time
├── RunNotEnded           the run is at work: it cannot be undone now
├── NothingToUndo         the run did nothing that could be undone now
├── RetryRefused          the run cannot be retried in that way
├── RetryUnderWay         a retry of the run is at work
├── MoveRefused           the run cannot go on with that version
├── ResultRefused         the result of the step cannot be set now
├── UnknownDeadLetter     no dead letter of that id
├── DeadLetterResolved    it was requeued or discarded before
├── NotRequeueable        trying it again would give the same again
├── StillEnding           its run is just ending: requeue it when that is done
├── RunUndone             what the failed step built on has been undone
├── UnknownIncident       no incident of that fingerprint
├── UnknownMessage        no poison message of that number
├── MessageResolved       it was recovered or discarded before
├── UnknownLimit          no limit of that name
├── LimitInvalid          a limit cannot be as it was described
├── LimitInUse            workflows or runs still name the limit
├── PauseInvalid          what was to be paused is none, or not in this way
├── NotPaused             there is no such pause
└── RequestError          what people are asked, and who may answer: `human_errors.py`
"""

from collections.abc import Sequence
from typing import ClassVar

from django.db import OperationalError

from workflows.core.problems import Problem


class WorkflowError(Exception):
    """Anything the engine refuses on purpose.

    `refusal`: the status and the word of the API's answer, of errors that the API does not know by their class.
    """

    refusal: ClassVar[tuple[int, str] | None] = None


class UnknownWorkflow(WorkflowError):
    """There is no workflow of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no workflow named {name!r}: publish one, or correct the name")
        self.name = name


class UnknownVersion(WorkflowError):
    """The workflow has no version of that number."""

    def __init__(self, *, workflow: str, number: int, latest: int) -> None:
        super().__init__(f"workflow {workflow!r} has versions 1 to {latest}, and no {number}")
        self.workflow = workflow
        self.number = number


class WorkflowDisabled(WorkflowError):
    """New runs of the workflow are refused."""

    def __init__(self, name: str) -> None:
        super().__init__(f"workflow {name!r} is disabled: enable it before starting runs")
        self.name = name


class InputInvalid(WorkflowError):
    """The input does not match the workflow's schema; `problems` say where and what would be right."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = tuple(problems)


class EventInvalid(WorkflowError):
    """An event cannot be stored; `problems` say where and what would be right."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnknownEvent(WorkflowError):
    """There is no event of that id, or it is not kept any more."""

    def __init__(self, event: object) -> None:
        super().__init__(f"there is no event {event}: it never came, or its month has gone")
        self.event = event


class LaneFull(WorkflowError):
    """So much waits in a lane that no more is taken in; it may be tried again in a few seconds."""

    def __init__(self, *, lane: str, limit: int) -> None:
        super().__init__(f"the lane {lane!r} is full: {limit} segments or more wait in it; try again later")
        self.lane = lane
        self.limit = limit


class StartKeyReused(WorkflowError):
    """The same idempotency key came before with another workflow or input."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"idempotency key {key!r} was used before for another request: send the same request again, or a new key"
        )
        self.key = key


class StartRateLimited(WorkflowError):
    """The key of a rate limit has had its starts; the next one may come in `again_in_s`."""

    def __init__(self, *, workflow: str, key: str, again_in_s: float) -> None:
        shown = f" for the key {key!r}" if key else ""
        super().__init__(f"workflow {workflow!r} takes no more starts{shown} now: come again in {again_in_s:.3f} s")
        self.workflow = workflow
        self.key = key
        self.again_in_s = again_in_s


class ConcurrencyReached(WorkflowError):
    """All slots of the key are taken; `holders` are the runs that have them, the oldest first."""

    def __init__(self, *, workflow: str, key: str, limit: int, holders: Sequence[object]) -> None:
        shown = f" for the key {key!r}" if key else ""
        named = ", ".join(str(holder) for holder in holders[:5]) + (", ..." if len(holders) > 5 else "")
        super().__init__(f"workflow {workflow!r} may have {limit} at a time{shown}, and there is run {named}")
        self.workflow = workflow
        self.key = key
        self.limit = limit
        self.holders = tuple(holders)


class UnknownRun(WorkflowError):
    """There is no run of that id."""

    def __init__(self, run_id: object) -> None:
        super().__init__(f"there is no run {run_id}")
        self.run_id = run_id


class RunEnded(WorkflowError):
    """The run is over, or will be when it has done what it owes."""

    def __init__(self, *, run_id: object, state: str, ending: str = "") -> None:
        told = f"run {run_id} has {state} already: only a running run can be cancelled"
        if ending:
            told = f"run {run_id} is ending as {ending}, and tidies up before: only force would end it at once"
        super().__init__(told)
        self.run_id = run_id
        self.state = state


class RunBusy(WorkflowError, OperationalError):
    """Others have held what was to be changed for longer than anybody should wait; nothing has changed."""

    def __init__(self) -> None:
        super().__init__("somebody else is changing it at this moment: ask again")


class RunNotEnded(WorkflowError):
    """The run is at work."""

    def __init__(self, run_id: object) -> None:
        super().__init__(f"run {run_id} is at work: cancel it, or wait until it has ended")
        self.run_id = run_id


class NothingToUndo(WorkflowError):
    """The run did nothing that could be undone now."""

    def __init__(self, *, run_id: object, why: str) -> None:
        super().__init__(f"there is nothing to undo in run {run_id}: {why}")
        self.run_id = run_id


class RetryRefused(WorkflowError):
    """The run cannot be retried in that way; `problems` say why, with JSON paths into the definition."""

    def __init__(self, *, run_id: object, problems: Sequence[Problem]) -> None:
        told = "; ".join(f"{problem.path}: {problem.message}" for problem in problems)
        super().__init__(f"run {run_id} cannot be retried so: {told}")
        self.run_id = run_id
        self.problems = tuple(problems)


class RetryUnderWay(WorkflowError):
    """A retry of the run is at work."""

    def __init__(self, *, run_id: object, retry: object) -> None:
        super().__init__(f"run {run_id} is being retried by run {retry}: wait for its end, or cancel it")
        self.run_id = run_id
        self.retry = retry


class MoveRefused(WorkflowError):
    """The run cannot go on with that version; `problems` say why, with JSON paths into the definition."""

    def __init__(self, *, run_id: object, problems: Sequence[Problem]) -> None:
        told = "; ".join(f"{problem.path}: {problem.message}" for problem in problems)
        super().__init__(f"run {run_id} cannot be moved: {told}")
        self.run_id = run_id
        self.problems = tuple(problems)


class ResultRefused(WorkflowError):
    """The result of the step cannot be set now; `why` says what is in the way."""

    def __init__(self, *, run_id: object, place: str, why: str) -> None:
        super().__init__(f"the result of {place} in run {run_id} cannot be set: {why}")
        self.run_id = run_id
        self.place = place
        self.why = why


class UnknownDeadLetter(WorkflowError):
    """There is no dead letter of that id."""

    def __init__(self, dead_letter_id: object) -> None:
        super().__init__(f"there is no dead letter {dead_letter_id}")
        self.dead_letter_id = dead_letter_id


class DeadLetterResolved(WorkflowError):
    """The dead letter is not open any more."""

    def __init__(self, *, dead_letter_id: object, state: str) -> None:
        super().__init__(f"dead letter {dead_letter_id} is {state} already: only an open one can be resolved")
        self.dead_letter_id = dead_letter_id
        self.state = state


class NotRequeueable(WorkflowError):
    """What failed has no attempt that could end in another way."""

    def __init__(self, dead_letter_id: object) -> None:
        super().__init__(
            f"dead letter {dead_letter_id} is of a run whose output cannot be computed from its results, "
            "which would be the same again: mend the workflow, start a new run, and discard this one"
        )
        self.dead_letter_id = dead_letter_id


class StillEnding(WorkflowError):
    """The run does what it owes before its end: undo and `finally`."""

    def __init__(self, *, dead_letter_id: object, run_id: object) -> None:
        super().__init__(f"run {run_id} of dead letter {dead_letter_id} is ending: wait until it has ended")
        self.dead_letter_id = dead_letter_id
        self.run_id = run_id


class RunUndone(WorkflowError):
    """What the failed step built on has been undone."""

    def __init__(self, *, dead_letter_id: object, run_id: object) -> None:
        super().__init__(
            f"run {run_id} of dead letter {dead_letter_id} has been undone: what the step would build on is gone; "
            "start a new run, and discard this one"
        )
        self.dead_letter_id = dead_letter_id
        self.run_id = run_id


class UnknownIncident(WorkflowError):
    """There is no incident of that fingerprint."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(f"there is no incident {fingerprint}")
        self.fingerprint = fingerprint


class UnknownMessage(WorkflowError):
    """There is no poison message of that number."""

    def __init__(self, message_id: object) -> None:
        super().__init__(f"there is no poison message {message_id}")
        self.message_id = message_id


class MessageResolved(WorkflowError):
    """The poison message is not open any more."""

    def __init__(self, *, message_id: object, state: str) -> None:
        super().__init__(f"poison message {message_id} is {state} already: only an open one can be discarded")
        self.message_id = message_id
        self.state = state


class UnknownLimit(WorkflowError):
    """There is no limit of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no limit {name!r}: set its capacity first, or correct the name")
        self.name = name


class LimitInvalid(WorkflowError):
    """A limit cannot be as it was described; `field` is what is wrong."""

    def __init__(self, *, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class LimitInUse(WorkflowError):
    """Newest versions or running runs name the limit; `used_by` says which, the first few."""

    def __init__(self, *, name: str, used_by: Sequence[str]) -> None:
        super().__init__(
            f"limit {name!r} is still named by {', '.join(used_by)}: take it out of their steps and let runs end, "
            "or raise its capacity instead"
        )
        self.name = name
        self.used_by = tuple(used_by)


class PauseInvalid(WorkflowError):
    """What was to be paused is none, or cannot be paused in this way; `field` is what is wrong."""

    def __init__(self, *, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class NotPaused(WorkflowError):
    """Nobody has paused it, or somebody has resumed it."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no pause of the {key}: it may have been resumed already")
        self.key = key
