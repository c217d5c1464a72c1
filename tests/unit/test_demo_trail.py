"""What the demo reads from the audit trail, and what it says at the end."""

from io import StringIO

import pytest
from rich.console import Console

from audit.events import EventKind
from examples.orders import summary, trail
from examples.orders.agreement import Reconciled
from examples.orders.campaign import Counts, Result
from examples.orders.proof import Figure
from examples.orders.summary import Account, Screen
from examples.orders.trail import TrailEvent
from workflows.core.states import RunState


def event(kind: EventKind, *, run_id: str = "r1", is_genuine: bool = True, **payload: object) -> TrailEvent:
    return TrailEvent(kind=kind, run_id=run_id, payload=payload, is_genuine=is_genuine)


EVENTS = [
    event(EventKind.RUN_STARTED),
    event(EventKind.STEP_RETRYING, step="charge", failure="unavailable"),
    event(EventKind.STEP_LOST, step="charge"),
    event(EventKind.STEP_SUCCEEDED, step="charge"),
    event(EventKind.STEP_SKIPPED, step="book"),
    event(EventKind.RUN_SUCCEEDED),
]


def test_trail_adds_up_what_happened() -> None:
    read = trail.read(EVENTS)

    assert read.events == 6
    assert read.runs == {EventKind.RUN_SUCCEEDED: 1}
    assert read.retries == {"unavailable": 1, "lost": 1}
    assert read.recovered == 1
    assert all(figure.is_right for figure in read.figures(runs=1, steps=2))


@pytest.mark.parametrize(
    ("planted", "named"),
    [
        (event(EventKind.STEP_SUCCEEDED, step="charge"), "r1/charge ended more than once"),
        (event(EventKind.STEP_RETRYING, step="book", is_genuine=False), "audit events changed: 1"),
        (event(EventKind.RUN_SUCCEEDED, run_id="r2"), "runs succeeded: 2 instead of 1"),
    ],
)
def test_trail_names_the_fault_when_one_is_planted(planted: TrailEvent, named: str) -> None:
    figures = trail.read([*EVENTS, planted]).figures(runs=1, steps=2)

    assert named in " ".join(str(figure) for figure in figures if not figure.is_right)


def test_trail_is_short_of_a_step_when_its_event_is_missing() -> None:
    figures = trail.read(EVENTS[:3] + EVENTS[4:]).figures(runs=1, steps=2)

    wrong = [str(figure) for figure in figures if not figure.is_right]
    assert wrong == ["steps ended once, by the audit trail: 1 instead of 2"]


def account(*, found: str) -> Account:
    counts = Counts(runs={RunState.SUCCEEDED: 1}, steps=2)
    return Account(
        reconciled=Reconciled(rows=4, found={"differs": 1}, repaired=1, confirmed=1, elapsed_s=0.5),
        result=Result(counts=counts, elapsed_s=2.0, worker_killed_at=7),
        trail=trail.read(EVENTS),
        figures=[Figure(name="charges", expected="6,911", found=found, examples=("order-1 [twice]",))],
        gateway_report={"faults": {"dropped": 3}, "doubles_avoided": 3, "doubles_avoided_total": "9.00"},
        crm_report={"faults": {}, "doubles_avoided": 0},
        directory="var/demo/1",
    )


def printed(told: Account) -> str:
    console = Console(file=StringIO(), width=120)
    summary.present(told, console=console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_summary_tells_the_course_and_no_fault_when_all_figures_are_right() -> None:
    text = printed(account(found="6,911"))

    assert "Nothing was lost and nothing was done twice." in text
    assert "2, 1 a second" in text
    assert "with SIGKILL, after 7 runs" in text
    assert "1 lost, 1 unavailable" in text
    assert "3 (9.00 USD)" in text
    assert "make up" in text


def test_summary_names_the_figure_and_its_examples_when_it_is_wrong() -> None:
    text = printed(account(found="6,910"))

    assert "charges: 6,910 instead of 6,911 (order-1 [twice])" in text
    assert "Nothing was lost" not in text


def test_screen_prints_a_line_for_each_tenth_when_it_is_no_terminal() -> None:
    console = Console(file=StringIO(), width=120, force_terminal=False)
    with Screen(console=console, total=100) as screen:
        for ended in (5, 10, 15, 20, 100):
            screen.show(Counts(runs={RunState.SUCCEEDED: ended}, steps=ended * 3), 1.0)

    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().strip().splitlines()
    assert [line.split()[0] for line in lines] == ["10/100", "20/100", "100/100"]
