"""Laws of what clients were told: what was promised is there, what was taken back is not, and nothing came twice."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence
from tests.chaos.laws.law import Breach


def runs_lost(evidence: Evidence) -> Iterator[Breach]:
    """This will find starts that were acknowledged and do not exist (law 5)."""
    for run_id, wanted in evidence.book.acknowledged.items():
        run = evidence.runs.get(run_id)
        if run is None:
            yield Breach(run_id, f"was promised ({wanted.workload} number {wanted.number}) and does not exist")
        elif (run.workflow_name, run.input) != (wanted.workload, wanted.value):
            yield Breach(run_id, f"is {run.workflow_name} of {run.input!r} instead of {wanted}")


def withdrawn_present(evidence: Evidence) -> Iterator[Breach]:
    """This will find runs whose transaction was rolled back, and business without its run or the other way (law 5)."""
    for run_id in evidence.book.withdrawn:
        if run_id in evidence.runs:
            yield Breach(run_id, "its transaction was rolled back, and it exists")
    started = {run.id for run in evidence.runs.values() if run.started_by == evidence.business_actor}
    for run_id in evidence.business_rows - started:
        yield Breach(run_id, "business data are there, the run is not")
    for run_id in started - evidence.business_rows:
        yield Breach(run_id, "the run is there, its business data are not")


def surprising_answers(evidence: Evidence) -> Iterator[Breach]:
    """This will find answers no client may get: a refusal, or another run for the same key (law 4)."""
    for what in evidence.book.surprises:
        yield Breach(None, what)


def cancels_forgotten(evidence: Evidence) -> Iterator[Breach]:
    """This will find confirmed cancellations of runs that ended otherwise (law 5)."""
    for run_id in evidence.book.cancelled:
        run = evidence.runs.get(run_id)
        if run is not None and run.state != "cancelled":
            yield Breach(run_id, f"its cancellation was confirmed, and it is {run.state}")
