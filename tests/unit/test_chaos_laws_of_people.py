"""The laws of decisions and of runs that steps start find what breaks them, planted in evidence that is clean."""

from dataclasses import replace
from uuid import UUID

import pytest

from tests.chaos import laws
from tests.chaos.book import Book
from tests.chaos.evidence import AnswerRow, ChildRow, EventRow, Evidence, RequestRow
from tests.chaos.workloads import BY_NAME
from tests.unit.test_chaos_laws import at, broken, event, run, step
from workflows.core.definition import StepDefinition

ASKING, PARENT, CHILD, GHOST = UUID(int=5), UUID(int=6), UUID(int=7), UUID(int=9)
ASKING_STEPS = {
    "ok": StepDefinition(id="ok", uses="approval"),
    "pay": StepDefinition(id="pay", uses="python", needs=("ok",), condition="steps.ok.output.approved"),
}
PARENT_STEPS = {"send": StepDefinition(id="send", uses="workflow")}
CHILD_STEPS = {"after": StepDefinition(id="after", uses="python")}
REQUEST = RequestRow(
    id=3, run_id=ASKING, step="ok", index=None, round=0, state="approved", approvers=2, expires_at=at(9)
)
ANSWERS = [
    AnswerRow(request_id=3, name=name, choice="approve", at=at(number)) for number, name in enumerate(("ada", "bob"))
]
LINK = ChildRow(parent_id=PARENT, step="send", index=None, round=0, child_id=CHILD, mode="wait", on_parent_end="cancel")


def asked(kind: str, **more: str) -> EventRow:
    """This will be an event of the request."""
    return event(ASKING, f"approval.{kind}", request=3, **more)


def done(run_id: UUID, name: str) -> EventRow:
    """This will be the event of a step that succeeded."""
    return event(run_id, "step.succeeded", step=name)


@pytest.fixture
def clean() -> Evidence:
    """This will be evidence without any breach: an approval that two people gave, and a run with one below it."""
    book = Book(answers={(3, "ada"): "approve"})
    value = {"number": 1, "size": 2}
    parent = run(PARENT, "chaos-detaching", version=2, value=value, output={"number": 1})
    child = run(CHILD, "chaos-timer", version=3, value=value, output={"number": 1})
    return Evidence(
        book=book,
        workloads=BY_NAME,
        runs={
            ASKING: run(ASKING, "chaos-approval", version=1, value=value, output={"number": 1}),
            PARENT: parent,
            CHILD: replace(child, started_by="engine", ended_at=at(8)),
        },
        definitions={1: ASKING_STEPS, 2: PARENT_STEPS, 3: CHILD_STEPS},
        steps=[
            step(ASKING, "ok", since=0, until=2),
            step(ASKING, "pay", since=2, until=3),
            step(PARENT, "send", since=0, until=9),
            step(CHILD, "after", since=1, until=8),
        ],
        requests=[REQUEST],
        answers=ANSWERS,
        children=[LINK],
        events=[
            *(event(run_id, "run.started") for run_id in (ASKING, PARENT, CHILD)),
            *(done(run_id, name) for run_id, name in ((ASKING, "ok"), (ASKING, "pay"))),
            *(done(run_id, name) for run_id, name in ((PARENT, "send"), (CHILD, "after"))),
            asked("requested"),
            *(asked("answered", name=answer.name) for answer in ANSWERS),
            asked("approved"),
            *(event(run_id, "run.succeeded") for run_id in (ASKING, PARENT, CHILD)),
        ],
        looks=1,
    )


def test_clean_evidence_breaks_no_law(clean: Evidence) -> None:
    assert broken(clean) == set()


def test_confirmed_answer_that_is_missing_or_another_one_is_lost(clean: Evidence) -> None:
    clean.book.answered(3, person="bob", decision="reject")
    clean.book.answered(4, person="eve", decision="approve")

    assert len(laws.judge(clean)["answers lost"]) == 2


def test_decision_must_be_what_the_answers_say(clean: Evidence) -> None:
    late = [ANSWERS[0], replace(ANSWERS[1], at=at(9))]
    rejected = [ANSWERS[0], replace(ANSWERS[1], choice="reject")]

    assert broken(replace(clean, answers=late)) == {"decisions wrong"}
    assert broken(replace(clean, answers=rejected)) == {"decisions wrong"}
    assert broken(replace(clean, answers=ANSWERS[:1])) == {"decisions wrong", "audit gaps: requests"}


def test_request_must_end_with_its_run_and_not_before(clean: Evidence) -> None:
    still_open = [replace(REQUEST, state="open")]
    withdrawn = [replace(REQUEST, state="withdrawn")]

    assert "decisions wrong" in broken(replace(clean, requests=still_open))
    assert "decisions wrong" in broken(replace(clean, requests=withdrawn))


def test_step_asks_once_and_a_person_answers_once(clean: Evidence) -> None:
    again = [REQUEST, replace(REQUEST, id=4)]

    assert "decisions doubled" in broken(replace(clean, requests=again))
    assert "decisions doubled" in broken(replace(clean, answers=[*ANSWERS, ANSWERS[0]]))


def test_what_was_decided_is_followed(clean: Evidence) -> None:
    steps = [replace(row, state="skipped") if row.step == "pay" else row for row in clean.steps]

    assert "decisions ignored" in broken(replace(clean, steps=steps))
    assert "decisions ignored" in broken(replace(clean, requests=()))
    assert "decisions ignored" in broken(replace(clean, requests=[replace(REQUEST, state="expired")]))


def test_result_that_was_set_by_hand_needs_no_decision(clean: Evidence) -> None:
    by_hand = [*clean.events, event(ASKING, "result.set", step="ok")]

    assert "decisions ignored" not in broken(replace(clean, requests=(), events=by_hand))


@pytest.mark.parametrize("kind", ["requested", "answered", "approved"])
def test_missing_event_and_doubled_event_of_a_request_are_gaps(clean: Evidence, kind: str) -> None:
    one = next(event for event in clean.events if event.kind == f"approval.{kind}")
    without = [event for event in clean.events if event is not one]

    assert broken(replace(clean, events=without)) == {"audit gaps: requests"}
    assert broken(replace(clean, events=[*clean.events, one])) == {"audit gaps: requests"}


def test_other_end_in_the_trail_than_in_the_row_is_a_gap(clean: Evidence) -> None:
    events = [replace(one, kind="approval.expired") if one.kind == "approval.approved" else one for one in clean.events]

    assert broken(replace(clean, events=events)) == {"audit gaps: requests"}


def test_run_that_no_step_has_started_and_run_that_does_not_exist_are_orphans(clean: Evidence) -> None:
    gone = [LINK, replace(LINK, step="other", child_id=GHOST)]

    assert broken(replace(clean, children=gone)) == {"children orphaned"}
    retried = [*clean.events, event(CHILD, "run.retried")]

    assert "children orphaned" in broken(replace(clean, children=()))
    assert "children orphaned" not in broken(replace(clean, children=(), events=retried))


def test_step_starts_one_run_and_a_run_has_one_step(clean: Evidence) -> None:
    assert "children doubled" in broken(replace(clean, children=[LINK, replace(LINK, child_id=ASKING)]))
    assert broken(replace(clean, children=[LINK, replace(LINK, step="other")])) == {"children doubled"}


def test_step_that_was_brought_back_may_have_started_another_run(clean: Evidence) -> None:
    twice = [LINK, replace(LINK, round=1, child_id=ASKING)]
    again = {**clean.runs, PARENT: replace(clean.runs[PARENT], round=1)}

    assert "children doubled" in broken(replace(clean, children=twice))
    assert "children doubled" not in broken(replace(clean, children=twice, runs=again))


def test_parent_waits_for_what_it_waits_for(clean: Evidence) -> None:
    late = replace(clean.runs[CHILD], ended_at=at(10))
    detached = [replace(LINK, mode="detach", on_parent_end="abandon")]
    evidence = replace(clean, runs={**clean.runs, CHILD: late})

    undone = [*clean.events, event(CHILD, "run.ending", is_on_demand=True)]
    by_hand = [*clean.events, event(PARENT, "result.set", step="send")]

    forced = [*clean.events, event(PARENT, "run.cancelled", is_forced=True)]

    assert broken(evidence) == {"children ended wrongly"}
    assert "children ended wrongly" not in broken(replace(evidence, events=forced))
    assert "children ended wrongly" not in broken(replace(evidence, events=undone))
    assert "children ended wrongly" not in broken(replace(evidence, events=by_hand))
    assert broken(replace(evidence, children=detached)) == set()


def test_parent_succeeds_with_the_latest_run_that_its_step_has_started(clean: Evidence) -> None:
    failed = replace(clean, runs={**clean.runs, CHILD: replace(clean.runs[CHILD], state="failed")})
    replaced = replace(failed, children=[replace(LINK, round=1, child_id=ASKING), LINK])

    assert "children ended wrongly" in broken(failed)
    assert "children ended wrongly" not in broken(replaced)


def test_run_below_is_cancelled_only_with_the_one_above(clean: Evidence) -> None:
    cancelled = replace(clean.runs[CHILD], state="cancelled")
    ends = {(CHILD, "run.succeeded"): "run.cancelled", (PARENT, "run.succeeded"): "run.failed"}
    events = [replace(one, kind=ends.get((one.run_id, one.kind), one.kind)) for one in clean.events]
    failed = replace(clean.runs[PARENT], state="failed")
    abandoned = [replace(LINK, on_parent_end="abandon")]
    runs = {**clean.runs, CHILD: cancelled, PARENT: failed}
    taken = replace(clean, runs=runs, events=events)

    assert "is cancelled, and nobody asked for it" not in str(laws.judge(taken)["wrong ends"])
    assert "is cancelled, and nobody asked for it" in str(laws.judge(replace(taken, children=abandoned))["wrong ends"])
    assert "children ended wrongly" in broken(replace(clean, runs={**clean.runs, CHILD: cancelled}))
