"""Laws of ends with something owed: what was done is undone in reverse order, `finally` runs, once each."""

import itertools
from collections.abc import Iterator, Mapping

from tests.chaos.evidence import Evidence, RunRow, StepRow
from tests.chaos.laws.law import Breach

_UNDOING = ("failed", "cancelled")


def undone_wrongly(evidence: Evidence) -> Iterator[Breach]:
    """This will find effects that stand though their run failed, undone ones that should stand, and a wrong order.

    Somebody may have said that nothing is undone; an undo that failed has a dead letter.
    """
    for run in _ended(evidence):
        rows = {row.step: row for row in evidence.steps_of[run.id]}
        undo_of = {
            step.undoes: name for name, step in evidence.definitions[run.version_id].items() if step.undoes is not None
        }
        is_told = any(letter.run_id == run.id and letter.step in undo_of.values() for letter in evidence.letters)
        for step, undo in undo_of.items():
            is_owed = run.state in _UNDOING and run.is_undoing and _succeeded(rows, step)
            is_excused = is_owed and is_told  # it broke off where an undo failed, and there is a dead letter
            if is_owed != _succeeded(rows, undo) and not is_excused:
                yield Breach(run.id, f"is {run.state}, {step} is {_state(rows, step)}, {undo} is {_state(rows, undo)}")
        done = sorted((rows[step] for step in undo_of if _succeeded(rows, step)), key=lambda row: row.ended_at)
        yield from _order(run, done=done, undo_of=undo_of, rows=rows)


def finals_missing(evidence: Evidence) -> Iterator[Breach]:
    """This will find runs that ended without their `finally` steps."""
    for run in _ended(evidence):
        rows = {row.step: row for row in evidence.steps_of[run.id]}
        finals = [name for name, step in evidence.definitions[run.version_id].items() if step.phase == "finally"]
        for name in finals:
            if not _succeeded(rows, name):
                yield Breach(run.id, f"is {run.state}, and {name} is {_state(rows, name)}")


def _order(
    run: RunRow, *, done: list[StepRow], undo_of: Mapping[str, str], rows: Mapping[str, StepRow]
) -> Iterator[Breach]:
    for earlier, later in itertools.pairwise(done):
        first, second = rows.get(undo_of[later.step]), rows.get(undo_of[earlier.step])
        if first and second and second.started_at is not None and second.started_at < first.ended_at:
            yield Breach(run.id, f"{second.step} began before {first.step} had ended")


def _ended(evidence: Evidence) -> Iterator[RunRow]:
    """Who was cancelled with force owes nothing."""
    for run in evidence.runs.values():
        is_forced = any(event.payload.get("is_forced") for event in evidence.events_of[run.id])
        if run.state != "running" and not is_forced:
            yield run


def _succeeded(rows: Mapping[str, StepRow], step: str) -> bool:
    return _state(rows, step) == "succeeded"


def _state(rows: Mapping[str, StepRow], step: str) -> str:
    return rows[step].state if step in rows else "not there"
