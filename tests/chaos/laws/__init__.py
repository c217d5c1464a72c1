"""The laws, each a function over the evidence that gives its breaches; a new one is named here once."""

from collections.abc import Mapping, Sequence

from tests.chaos.evidence import Evidence
from tests.chaos.laws import (
    closing,
    delays,
    execution,
    families,
    flows,
    people,
    progress,
    promises,
    schedules,
    trail,
    waiting,
    webhooks,
)
from tests.chaos.laws.law import Breach, Law

ALL: Mapping[str, Law] = {
    "runs lost": promises.runs_lost,
    "rolled-back starts present": promises.withdrawn_present,
    "surprising answers": promises.surprising_answers,
    "cancellations forgotten": promises.cancels_forgotten,
    "runs stuck": progress.runs_stuck,
    "waits without a name": progress.unnamed_waits,
    "leases left over": progress.leases_left,
    "slots leaked": progress.slots_leaked,
    "items incomplete": progress.items_incomplete,
    "wrong ends": progress.wrong_ends,
    "undone wrongly": closing.undone_wrongly,
    "finally missing": closing.finals_missing,
    "timers early": waiting.timers_early,
    "limits exceeded": waiting.limits_exceeded,
    "runs beside each other": flows.runs_beside,
    "runs too soon": flows.runs_too_soon,
    "starts joined wrongly": flows.starts_joined_wrongly,
    "places left over": flows.places_left,
    "delays wrong": delays.delays_wrong,
    "retries early": delays.retries_early,
    "fires missed": schedules.fires_missed,
    "fires doubled": schedules.fires_doubled,
    "webhooks lost": webhooks.webhooks_lost,
    "webhooks lost with the broker": webhooks.webhooks_lost_with_the_broker,
    "webhooks doubled": webhooks.webhooks_doubled,
    "answers lost": people.answers_lost,
    "decisions wrong": people.decisions_wrong,
    "decisions doubled": people.decisions_doubled,
    "decisions ignored": people.decisions_ignored,
    "children orphaned": families.children_orphaned,
    "children doubled": families.children_doubled,
    "children ended wrongly": families.children_ended_wrongly,
    "executed after completion": execution.executed_after_completion,
    "repeats unexplained": execution.repeats_unexplained,
    "joins early": execution.joins_early,
    "effects doubled": execution.effects_doubled,
    "effects missing": execution.effects_missing,
    "audit gaps: runs": trail.run_gaps,
    "audit gaps: steps": trail.step_gaps,
    "audit gaps: attempts": trail.attempt_gaps,
    "audit gaps: items": trail.item_gaps,
    "audit gaps: dead letters": trail.letter_gaps,
    "audit gaps: requests": people.request_gaps,
    "audit gaps: fires": schedules.fire_gaps,
    "audit events forged": trail.forged,
    "dead letters unexplained": trail.letters_unexplained,
    "failures untold": trail.failures_untold,
}


def judge(evidence: Evidence) -> Mapping[str, Sequence[Breach]]:
    """This will give the breaches of every law, of most laws none."""
    return {name: list(law(evidence)) for name, law in ALL.items()}
