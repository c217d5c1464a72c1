"""Turns failures without another attempt into dead letters; how those are kept is `workflows.operations.burials`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from workflows.core.definition import JsonValue
from workflows.core.outcome import Failed
from workflows.execution.cursor import Cursor
from workflows.models import Attempt
from workflows.operations import burials
from workflows.operations.burials import Burial
from workflows.operations.incidents import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """The last attempt of a step or item, and in which round of the run it was made."""

    index: int | None
    attempt: int
    round: int
    failure: Failed
    started_at: datetime
    at: datetime


def bury(cursor: Cursor, deaths: Sequence[Death]) -> None:
    """This will store the last attempts and the dead letters of a step or items, inside the open transaction.

    A dry run leaves no dead letter: nobody has to do anything about it.
    """
    note(cursor, deaths)
    claim = cursor.claim
    if claim.is_dry:
        return
    burials.bury(
        [
            Burial(
                run_id=claim.run_id,
                correlation_id=claim.correlation_id,
                cause=Cause(
                    workflow_name=claim.workflow_name,
                    step=cursor.step.id,
                    kind=death.failure.kind.value,
                    message=death.failure.message,
                ),
                index=death.index,
                payload=death.failure.payload,
                attempts=death.attempt,
                round=death.round,
                at=death.at,
            )
            for death in deaths
        ]
    )


def note(cursor: Cursor, deaths: Sequence[Death]) -> None:
    """This will store the last attempts only: where the failure is tolerated."""
    claim = cursor.claim
    Attempt.objects.bulk_create(
        Attempt(
            run_id=claim.run_id,
            step=cursor.step.id,
            index=death.index,
            round=claim.round,
            attempt=death.attempt,
            kind=death.failure.kind.value,
            message=death.failure.message,
            evidence=dict(death.failure.evidence) or None,
            started_at=death.started_at,
            ended_at=death.at,
        )
        for death in deaths
    )


def bury_run(cursor: Cursor, *, error: Mapping[str, JsonValue], at: datetime) -> None:
    """This will store the dead letter of a run that failed though none of its steps did."""
    claim = cursor.claim
    if claim.is_dry:
        return
    cause = Cause(workflow_name=claim.workflow_name, step="", kind=str(error["kind"]), message=str(error["message"]))
    burials.bury(
        [
            Burial(
                run_id=claim.run_id,
                correlation_id=claim.correlation_id,
                cause=cause,
                index=None,
                payload=None,
                attempts=1,
                round=claim.round,
                at=at,
            )
        ]
    )
