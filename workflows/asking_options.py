"""The words with which typed Python asks people; they are the keys of the definition document."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypedDict

from workflows.core.definition import JsonObject
from workflows.flow_options import Length

__all__ = ["Approval", "Escalation", "Notify", "Task"]

Value: TypeAlias = Any  # Any: JSON in which any value may be a Ref


class Escalation(TypedDict, total=False):
    """Who is asked besides, `after` a length of time."""

    after: Length
    users: Value
    groups: Value


class _Notify(TypedDict):
    channel: str


class Notify(_Notify, total=False):
    """Who is told, by which channel; without a `recipient` everybody who may answer."""

    recipient: Value
    on: Sequence[Literal["opened", "reminded", "escalated", "delegated", "overdue", "expired", "decided"]]
    link: bool


class _Asking(TypedDict, total=False):
    users: Value
    groups: Value
    title: Value
    description: Value
    show: Value
    form: JsonObject
    delegation: bool
    expires: Length
    escalate: Sequence[Escalation]
    notify: Sequence[Notify]
    remind: Sequence[Length]


class Approval(_Asking, total=False):
    """Who decides what, and how many must; see "approval" in the definition format."""

    approvers: int
    rejections: int
    self_approval: bool
    on_expiry: Literal["reject", "approve", "fail"]
    on_reject: Literal["continue", "fail"]


class Task(_Asking, total=False):
    """Who does what, and until when; see "task" in the definition format."""

    due: Length
    on_expiry: Literal["fail", "continue"]
