"""Which ended runs somebody means: by workflow, state, failure and time, or by id; it reads nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from workflows.core.problems import suggestion
from workflows.core.selection import SelectionInvalid, read_instant, read_run
from workflows.core.states import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSelection:
    """All of what is given must hold. `kind` and `step` are of the error a run ended with; instants are aware.

    `created_after` is inclusive, `created_before` is not. Without a state failed runs are meant. Raises
    SelectionInvalid when nothing is given: what means everything by mistake cannot be undone.
    """

    workflow: str | None = None
    version: int | None = None
    state: RunState | None = None
    kind: str | None = None
    step: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    ids: tuple[UUID, ...] | None = None

    def __post_init__(self) -> None:
        if all(getattr(self, field.name) is None for field in fields(self)):
            raise SelectionInvalid("", f"says nothing: give at least one of {', '.join(NAMES)}")
        if self.state is RunState.RUNNING:
            raise SelectionInvalid("state", "must be one in which a run has ended: failed, cancelled or succeeded")


NAMES = tuple(field.name for field in fields(RunSelection))


def parse(pairs: Mapping[str, str]) -> RunSelection:
    """This will read a selection from texts, as a command line has them. Raises SelectionInvalid.

    >>> parse({"workflow": "shipping", "state": "failed"}).state.value
    'failed'
    """
    for name in pairs:
        if name not in NAMES:
            raise SelectionInvalid(name, f"is nothing to select by: {suggestion(name, known=NAMES, noun='name')}")
    ids = pairs.get("ids")
    return RunSelection(
        workflow=pairs.get("workflow"),
        version=_version(pairs.get("version")),
        state=_state(pairs.get("state")),
        kind=pairs.get("kind"),
        step=pairs.get("step"),
        created_after=read_instant("created_after", pairs.get("created_after")),
        created_before=read_instant("created_before", pairs.get("created_before")),
        ids=None if ids is None else tuple(run for part in ids.split(",") if (run := read_run(part, name="ids"))),
    )


def _state(text: str | None) -> RunState | None:
    try:
        return None if text is None else RunState(text)
    except ValueError:
        raise SelectionInvalid("state", f"{text!r} is no state: choose failed, cancelled or succeeded") from None


def _version(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        raise SelectionInvalid("version", f"{text!r} is no number of a version") from None
