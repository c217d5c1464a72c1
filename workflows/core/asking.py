"""What a step that asks people takes in `with`, read into values; it checks what a JSON Schema cannot say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.telling import NOTIFY_SCHEMA, Notice, read_notices
from workflows.core.voting import OnExpiry, RequestKind, Rule

ASKING = frozenset(kind.value for kind in RequestKind)
"""The kinds of steps that ask people, by their `uses`."""
_NAMES: JsonObject = {"type": "array", "items": {"type": "string", "minLength": 1}}
_LENGTH: JsonObject = {"type": ["string", "number"]}
_WHO: JsonObject = {
    "users": {**_NAMES, "description": "Names of users who are asked."},
    "groups": {**_NAMES, "description": "Groups whose members are asked, as they are when somebody answers."},
}
_ANYBODY: Sequence[JsonObject] = ({"required": ["users"]}, {"required": ["groups"]})
_ASKED: JsonObject = {
    **_WHO,
    "title": {"type": "string", "description": "One line that says what it is about."},
    "description": {"type": "string", "description": "More than one line."},
    "show": {"description": "What people see before they answer: any value, evaluated once and kept."},
    "form": {"type": "object", "description": "JSON Schema of the values that an answer brings."},
    "delegation": {"type": "boolean", "description": "Whether who is asked may hand his say to somebody else."},
    "expires": {**_LENGTH, "description": "How long an answer is waited for, such as 3d."},
    "notify": NOTIFY_SCHEMA,
    "remind": {
        "type": "array",
        "minItems": 1,
        "maxItems": 20,
        "items": _LENGTH,
        "description": "After which lengths of time those who have not answered are told again.",
    },
    "escalate": {
        "type": "array",
        "description": "Who is asked besides when nobody has answered for so long.",
        "items": {
            "type": "object",
            "required": ["after"],
            "additionalProperties": False,
            "properties": {"after": _LENGTH, **_WHO},
            "anyOf": _ANYBODY,
        },
    },
}

APPROVAL_SCHEMA: JsonObject = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": _ANYBODY,
    "properties": {
        **_ASKED,
        "approvers": {"type": "integer", "minimum": 1, "description": "How many must approve; 1 if not said."},
        "rejections": {"type": "integer", "minimum": 1, "description": "How many must reject; 1 if not said."},
        "self_approval": {"type": "boolean", "description": "Whether who started the run may decide, too."},
        "on_expiry": {"enum": ["reject", "approve", "fail"], "description": "What it comes to without a decision."},
        "on_reject": {"enum": ["continue", "fail"], "description": "What becomes of the step when it is rejected."},
    },
}
"""The `with` of an approval."""

TASK_SCHEMA: JsonObject = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": _ANYBODY,
    "properties": {
        **_ASKED,
        "due": {**_LENGTH, "description": "After which length of time it should be done; then it is overdue."},
        "on_expiry": {"enum": ["fail", "continue"], "description": "What it comes to when nobody has done it."},
    },
}
"""The `with` of a manual task."""
SCHEMAS: Mapping[RequestKind, JsonObject] = {RequestKind.APPROVAL: APPROVAL_SCHEMA, RequestKind.TASK: TASK_SCHEMA}


class AskingInvalid(ValueError):
    """Nobody can be asked like that; the message says what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """Who is asked besides, so long after the beginning."""

    after_s: float
    users: Sequence[str]
    groups: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a step asks of whom. `fails_on_reject`: a rejection fails the step instead of being its output."""

    kind: RequestKind
    users: Sequence[str]
    groups: Sequence[str]
    title: str
    description: str
    show: JsonValue
    form: JsonObject | None
    approvers: int
    rejections: int
    allows_self: bool
    allows_delegation: bool
    expires_s: float | None
    on_expiry: OnExpiry
    fails_on_reject: bool
    escalations: Sequence[Escalation]
    notices: Sequence[Notice] = ()
    reminders_s: Sequence[float] = ()
    due_s: float | None = None

    def rule(self, *, begun_at: datetime) -> Rule:
        """This will give the rule of a request that began at that instant."""
        return Rule(approvers=self.approvers, rejections=self.rejections, expires_at=self.expires_at(begun_at=begun_at))

    def expires_at(self, *, begun_at: datetime) -> datetime | None:
        """This will give the instant at which an answer comes too late; None: never."""
        return None if self.expires_s is None else begun_at + timedelta(seconds=self.expires_s)

    def due_at(self, *, begun_at: datetime) -> datetime | None:
        """This will give the instant at which a task is overdue; None: never."""
        return None if self.due_s is None else begun_at + timedelta(seconds=self.due_s)

    def due_escalations(self, *, begun_at: datetime, now: datetime) -> int:
        """This will give how many of the escalations, in their order, are due."""
        return sum(begun_at + timedelta(seconds=one.after_s) <= now for one in self.escalations)

    def due_reminders(self, *, begun_at: datetime, now: datetime) -> int:
        """This will give how many of the reminders are due."""
        return sum(begun_at + timedelta(seconds=one) <= now for one in self.reminders_s)

    def next_instant(self, *, begun_at: datetime, now: datetime) -> datetime | None:
        """This will give when the clock changes something next; None: never."""
        lengths = [*(one.after_s for one in self.escalations), *self.reminders_s]
        lengths += [one for one in (self.expires_s, self.due_s) if one is not None]
        return min((at for one in lengths if (at := begun_at + timedelta(seconds=one)) > now), default=None)


def read_asking(kind: RequestKind, inputs: JsonObject, *, title: str) -> Asking:
    """This will read an evaluated `with` that fits its schema; `title` is that of a step without one.

    Raises AskingInvalid.
    """
    self_approval = bool(inputs.get("self_approval", kind is RequestKind.TASK))
    escalations = [_escalation(one) for one in _list(inputs.get("escalate")) if isinstance(one, Mapping)]
    form = inputs.get("form")
    return Asking(
        kind=kind,
        users=names_in(inputs.get("users")),
        groups=names_in(inputs.get("groups")),
        title=str(inputs.get("title") or title)[:300],
        description=str(inputs.get("description", "")),
        show=inputs.get("show"),
        form=form if isinstance(form, Mapping) else None,
        approvers=_number(inputs.get("approvers")),
        rejections=_number(inputs.get("rejections")),
        allows_self=self_approval,
        allows_delegation=inputs.get("delegation") is not False,
        expires_s=None if inputs.get("expires") is None else _length(inputs["expires"], key="expires"),
        on_expiry=OnExpiry(str(inputs.get("on_expiry", "reject" if kind is RequestKind.APPROVAL else "fail"))),
        fails_on_reject=inputs.get("on_reject") == "fail",
        escalations=sorted(escalations, key=lambda one: one.after_s),
        notices=read_notices(inputs.get("notify")),
        due_s=None if inputs.get("due") is None else _length(inputs["due"], key="due"),
        reminders_s=sorted(_length(one, key="remind") for one in _list(inputs.get("remind"))),
    )


def names_in(value: JsonValue) -> Sequence[str]:
    """This will give the names of a list, each once.

    >>> names_in(["ada", "bob", "ada"])
    ['ada', 'bob']
    """
    return list(dict.fromkeys(str(name) for name in _list(value)))


def _escalation(value: JsonObject) -> Escalation:
    return Escalation(
        after_s=_length(value["after"], key="escalate"),
        users=names_in(value.get("users")),
        groups=names_in(value.get("groups")),
    )


def _length(value: JsonValue, *, key: str) -> float:
    try:
        return parse_duration(value)
    except DurationInvalid as error:
        raise AskingInvalid(f"`{key}`: {error}") from error


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) else 1


def _list(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list | tuple) else ()
