"""The figures of one attack, and how they are printed: for people, as JSON, as a row of a table; it counts only."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from tests.chaos.evidence import Evidence
from tests.chaos.laws.law import Breach
from tests.chaos.recovery import Outage, Recovery, lives, longest_recovery

_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What an attack came to. `runs` are workload -> state -> number, `breaches` law -> number, times in seconds."""

    seed: int
    seconds: float
    faults: Mapping[str, int]
    runs: Mapping[str, Mapping[str, int]]
    steps: int
    effects: int
    repeats: int
    charges: int
    requests: int
    unanswered: int
    requeued: int
    refused: int
    hooks: int
    fires: int
    attempts_lost: int
    deaths: int
    peak_connections: int
    breaches: Mapping[str, int]
    longest_recovery_s: float
    recovered_from: str
    recovered_run: str
    settled_s: float
    runs_per_s: float

    @property
    def is_clean(self) -> bool:
        """This will tell whether no law was broken."""
        return not any(self.breaches.values())

    @property
    def started(self) -> int:
        """This will be how many runs there were."""
        return sum(sum(states.values()) for states in self.runs.values())

    def counted(self, *laws: str) -> int:
        """This will count the breaches of laws whose names begin so."""
        return sum(number for law, number in self.breaches.items() if law.startswith(laws))

    def document(self) -> dict[str, object]:
        """This will be the tally as one JSON object."""
        return {**asdict(self), "clean": self.is_clean}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the attack went: what struck and for how long, how long it all took, which processes died by themselves."""

    seed: int
    seconds: float
    outages: Sequence[Outage]
    settled_s: float
    deaths: Mapping[str, int]


def tally(course: Course, *, evidence: Evidence, breaches: Mapping[str, Sequence[Breach]]) -> Tally:
    """This will count everything."""
    runs: dict[str, Counter[str]] = {}
    for run in evidence.runs.values():
        runs.setdefault(run.workflow_name, Counter())[run.state] += 1
    effects = Counter(entry.key for entry in evidence.ledger if entry.event == "effect")
    recovery = _recovery(course, evidence=evidence)
    return Tally(
        seed=course.seed,
        seconds=course.seconds,
        faults=dict(Counter(outage.name for outage in course.outages)),
        runs={name: dict(states) for name, states in sorted(runs.items())},
        steps=len(evidence.steps),
        effects=effects.total(),
        repeats=effects.total() - len(effects),
        charges=len(evidence.charges),
        requests=evidence.book.requests,
        unanswered=evidence.book.unanswered,
        requeued=evidence.book.requeued,
        refused=evidence.book.refused,
        hooks=len(evidence.book.hooks),
        fires=len(evidence.fires),
        attempts_lost=sum(row.kind == "lost" for row in evidence.attempts),
        deaths=sum(course.deaths.values()),
        peak_connections=evidence.peak_connections,
        breaches={law: len(found) for law, found in breaches.items()},
        longest_recovery_s=round(recovery.seconds, 2),
        recovered_from=recovery.outage,
        recovered_run=_story(evidence, recovery=recovery),
        settled_s=round(course.settled_s, 2),
        runs_per_s=round(len(evidence.runs) / (course.seconds + course.settled_s), 2),
    )


def _recovery(course: Course, *, evidence: Evidence) -> Recovery:
    """Runs that people are asked for are left out, for they wait for people; one moves with the runs it has started."""
    moves = {run_id: [event.at for event in events] for run_id, events in evidence.events_of.items()}
    for link in evidence.children:
        moves[link.parent_id] = moves.get(link.parent_id, []) + moves.get(link.child_id, [])
    asking = {request.run_id for request in evidence.requests}
    spans = {run.id: (run.created_at, run.ended_at) for run in evidence.runs.values() if run.id not in asking}
    return longest_recovery(course.outages, lives(spans, moves))


def _story(evidence: Evidence, *, recovery: Recovery) -> str:
    """The run that took longest: what was recorded of it before and after it stood still."""
    if recovery.run_id is None or recovery.moved_at is None:
        return ""
    below = [link.child_id for link in evidence.children if link.parent_id == recovery.run_id]
    events = [event for run_id in (recovery.run_id, *below) for event in evidence.events_of[run_id]]
    before = max((event for event in events if event.at < recovery.moved_at), key=lambda event: event.at)
    after = min((event for event in events if event.at >= recovery.moved_at), key=lambda event: event.at)
    told = [
        f"{event.at:%H:%M:%S.%f} {event.kind} {event.payload.get('step', '')}".rstrip() for event in (before, after)
    ]
    return f"{evidence.runs[recovery.run_id].workflow_name} {recovery.run_id}: {told[0]}, then {told[1]}"


def lines(found: Tally, *, breaches: Mapping[str, Sequence[Breach]]) -> Iterable[str]:
    """This will write a tally for people, with some breaches of each law."""
    yield f"seed {found.seed}: {found.seconds:g} s of faults and load, settled after {found.settled_s:.1f} s"
    faults = ", ".join(f"{name} {number}" for name, number in sorted(found.faults.items()))
    yield f"faults    {sum(found.faults.values())}: {faults}"
    for workload, states in found.runs.items():
        yield f"runs      {workload:<22} " + ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    yield f"load      {found.started} runs, {found.steps} steps, {found.runs_per_s} runs/s, {found.requests} requests"
    refused = f"{found.refused} starts refused by a rule"
    yield f"clients   {found.unanswered} without an answer, {refused}, {found.requeued} dead letters requeued"
    yield f"arrivals  {found.fires} due times, {found.hooks} webhooks acknowledged"
    yield f"effects   {found.effects} in the ledger ({found.repeats} repeats of a key), {found.charges} charges"
    yield f"losses    {found.attempts_lost} attempts, {found.deaths} processes that nobody struck"
    yield f"database  {found.peak_connections} connections at most"
    yield f"recovery  longest {found.longest_recovery_s:.2f} s ({found.recovered_from or 'nothing to recover from'})"
    yield f"          {found.recovered_run}"
    for law, number in found.breaches.items():
        yield f"{'ok    ' if not number else 'BROKEN'}    {law}: {number}"
        for breach in breaches[law][:_SHOWN]:
            yield f"            {breach}"


COLUMNS = (
    *("seed", "faults", "runs", "steps", "effects", "due times", "webhooks", "lost", "stuck", "doubled"),
    *("again after completion", "audit gaps", "slots leaked", "other breaches", "longest recovery", "runs/s"),
)
_COUNTED = (
    ("runs lost", "webhooks lost", "fires missed", "answers lost"),
    ("runs stuck",),
    ("effects doubled", "webhooks doubled", "fires doubled", "children doubled", "decisions doubled"),
    ("executed after completion",),
    ("audit",),
    ("slots leaked", "places left over"),
)
"""Which laws the columns from "lost" to "slots leaked" count."""


def table(tallies: Sequence[Tally]) -> Iterable[str]:
    """This will write tallies as a table in Markdown, one row each."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{' --: |' * len(COLUMNS)}"
    for found in tallies:
        yield f"| {' | '.join(_cells(found))} |"


def _cells(found: Tally) -> Sequence[str]:
    counts = [found.counted(*names) for names in _COUNTED]
    figures = [
        *(found.seed, sum(found.faults.values()), found.started, found.steps, found.effects + found.charges),
        *(found.fires, found.hooks),
        *counts,
        sum(found.breaches.values()) - sum(counts),
    ]
    return [*(f"{figure:,}" for figure in figures), f"{found.longest_recovery_s:.1f} s", f"{found.runs_per_s:.1f}"]
