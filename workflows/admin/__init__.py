"""The engine in the admin: define, publish, start, watch, repair; every change is one operation, no row is edited."""

from workflows.admin.dead_letters import DeadLetterAdmin
from workflows.admin.events import EventAdmin, EventWaitAdmin
from workflows.admin.inbox import InboxAdmin
from workflows.admin.incidents import IncidentAdmin, PoisonMessageAdmin
from workflows.admin.limits import LimitAdmin
from workflows.admin.pauses import PauseAdmin
from workflows.admin.runs import RunAdmin
from workflows.admin.workflows import WorkflowAdmin

__all__ = [
    "DeadLetterAdmin",
    "EventAdmin",
    "EventWaitAdmin",
    "InboxAdmin",
    "IncidentAdmin",
    "LimitAdmin",
    "PauseAdmin",
    "PoisonMessageAdmin",
    "RunAdmin",
    "WorkflowAdmin",
]
