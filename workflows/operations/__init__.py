"""The use cases of the engine: each opens its transaction, audits and makes due what follows.

from workflows import operations
operations.start_run(workflow="order", start=operations.Start(input=order), actor=actor, now=timezone.now())
"""

from workflows.operations.answering import Answer, answer
from workflows.operations.bulk_repairs import Outcome, discard_matching, requeue_matching
from workflows.operations.bulk_retries import retry_matching
from workflows.operations.claiming import claim, unclaim
from workflows.operations.delays import read_start_at
from workflows.operations.delegating import Handover, delegate
from workflows.operations.dry_runs import DRY_RUN, Dry
from workflows.operations.endings import cancel_run, expire_run
from workflows.operations.events import Published, publish_event, publish_events
from workflows.operations.incidents import assign_incident
from workflows.operations.limits import delete_limit, set_limit
from workflows.operations.links import answer_by_link, make_link
from workflows.operations.moving import Moved, move_matching, move_run
from workflows.operations.pausing import PauseWanted, pause, resume
from workflows.operations.poison import discard_message
from workflows.operations.publishing import check, publish, set_enabled
from workflows.operations.releasing import Canary, promote, roll_back, set_canary
from workflows.operations.repairs import discard_dead_letter, requeue_dead_letter
from workflows.operations.results import SetResult, set_result
from workflows.operations.retrying import EditedInput, Retried, RetryWanted, preview_retry, retry_run
from workflows.operations.starting import Start, Started, start_run, start_runs
from workflows.operations.undoing import undo_run
from workflows.operations.waiting import admit_due

__all__ = [
    "DRY_RUN",
    "Answer",
    "Canary",
    "Dry",
    "EditedInput",
    "Handover",
    "Moved",
    "Outcome",
    "PauseWanted",
    "Published",
    "Retried",
    "RetryWanted",
    "SetResult",
    "Start",
    "Started",
    "admit_due",
    "answer",
    "answer_by_link",
    "assign_incident",
    "cancel_run",
    "check",
    "claim",
    "delegate",
    "delete_limit",
    "discard_dead_letter",
    "discard_matching",
    "discard_message",
    "expire_run",
    "make_link",
    "move_matching",
    "move_run",
    "pause",
    "preview_retry",
    "promote",
    "publish",
    "publish_event",
    "publish_events",
    "read_start_at",
    "requeue_dead_letter",
    "requeue_matching",
    "resume",
    "retry_matching",
    "retry_run",
    "roll_back",
    "set_canary",
    "set_enabled",
    "set_limit",
    "set_result",
    "start_run",
    "start_runs",
    "unclaim",
    "undo_run",
]
