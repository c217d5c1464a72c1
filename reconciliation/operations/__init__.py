"""The use cases of reconciliation: each in one transaction with its audit events.

from reconciliation import operations
operations.publish(source=text, actor=actor, now=timezone.now())
"""

from reconciliation.operations.answering import answer, assign
from reconciliation.operations.beginning import Begun, begin, fail, renew
from reconciliation.operations.concluding import Finding, conclude
from reconciliation.operations.publishing import publish, put_in_force, set_enabled, start
from reconciliation.operations.repairing import note_repair, start_repairs, undo_repair

__all__ = [
    "Begun",
    "Finding",
    "answer",
    "assign",
    "begin",
    "conclude",
    "fail",
    "note_repair",
    "publish",
    "put_in_force",
    "renew",
    "set_enabled",
    "start",
    "start_repairs",
    "undo_repair",
]
