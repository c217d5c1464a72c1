"""Dead letters requeued with edited inputs: checked like the step's own, used until it succeeds, audited by digest."""

import pytest
from django.utils import timezone

from audit.redaction import MASK
from tests.flows.driving import AT_ONCE, TESTER, begin, call, trail_of, work
from workflows import operations
from workflows.core.definition import JsonValue
from workflows.errors import InputInvalid
from workflows.models import DeadLetter, InputOverride, Item, Run, Step

pytestmark = pytest.mark.usefixtures("database")
ONCE = {"attempts": 1}


def failed(**args: JsonValue) -> DeadLetter:
    """This will be the dead letter of a step that was refused for its arguments."""
    run_id = begin({"act": call("fail_on", args={"value": 1, "bad": 1, **args})})
    work(run_id)
    return DeadLetter.objects.get(run_id=run_id)


def requeue(letter: DeadLetter, *, payload: JsonValue = None) -> None:
    """This will try a dead letter again."""
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now(), payload=payload)


def test_edited_inputs_are_what_the_next_attempts_are_made_with() -> None:
    letter = failed()

    requeue(letter, payload={"call": "flows.fail_on", "args": {"value": 2, "bad": 1}})
    work(letter.run_id)

    assert Run.objects.get(id=letter.run_id).state == "succeeded"
    assert Step.objects.get(run_id=letter.run_id, step="act").output == 2
    assert not InputOverride.objects.filter(run_id=letter.run_id).exists()
    (edit,) = trail_of(letter.run_id, "inputs.edited")
    assert edit["step"] == "act"
    assert len(str(edit["before_sha256"])) == len(str(edit["after_sha256"])) == 64
    assert edit["before_sha256"] != edit["after_sha256"]


def test_edited_inputs_stay_for_a_later_requeue_until_they_have_succeeded() -> None:
    letter = failed()
    edited: JsonValue = {"call": "flows.fail_on", "args": {"value": 3, "bad": 3}}
    requeue(letter, payload=edited)
    work(letter.run_id)
    again = DeadLetter.objects.get(run_id=letter.run_id, state="open")
    assert again.payload == edited

    requeue(again)
    work(letter.run_id)

    latest = DeadLetter.objects.filter(run_id=letter.run_id).latest("id")
    assert (latest.payload, latest.state) == (edited, "open")
    requeue(latest, payload={"call": "flows.fail_on", "args": {"value": 4, "bad": 3}})
    work(letter.run_id)
    assert Run.objects.get(id=letter.run_id).state == "succeeded"


@pytest.mark.parametrize(
    ("payload", "path", "message"),
    [
        ([1], "$.payload", "a mapping"),
        ({"call": "flows.fail_on", "args": {"value": 2}}, "$.payload.args", "`bad` is missing"),
        ({"call": "flows.fail_on", "args": {"value": 2, "bad": 1, "more": 0}}, "$.payload.args.more", "no key"),
        ({"call": "flows.noop", "args": {}}, "$.payload.call", "only its arguments"),
        ({"args": {}}, "$.payload", "`call` is missing"),
        ({"call": "flows.fail_on", "args": {"value": MASK, "bad": MASK, "x": MASK}}, "$.payload.args.x", "masked"),
        ({"call": "flows.fail_on", "args": {"value": "a\0b", "bad": 1}}, "$.payload", "NUL"),
    ],
)
def test_inputs_that_no_attempt_could_take_are_refused_and_nothing_is_requeued(
    payload: JsonValue, path: str, message: str
) -> None:
    letter = failed()

    with pytest.raises(InputInvalid) as refused:
        requeue(letter, payload=payload)

    (problem,) = refused.value.problems
    assert (problem.path, message in problem.message) == (path, True), problem
    assert DeadLetter.objects.get(id=letter.id).state == "open"
    assert Run.objects.get(id=letter.run_id).state == "failed"


def test_inputs_of_an_adapter_are_checked_by_its_schema() -> None:
    inputs = {"method": "POST", "path": "/x"}
    run_id = begin({"act": {"uses": "http.request", "connection": "nowhere", "with": inputs, "retry": ONCE}})
    work(run_id)
    letter = DeadLetter.objects.get(run_id=run_id)

    with pytest.raises(InputInvalid) as refused:
        requeue(letter, payload={"method": "POST", "path": 7})

    assert [problem.path for problem in refused.value.problems] == ["$.payload.path"]


def test_masked_values_stay_as_they_were() -> None:
    letter = failed(value="secret", bad="secret")

    requeue(letter, payload={"call": "flows.fail_on", "args": {"value": "other", "bad": MASK}})
    work(letter.run_id)

    assert Step.objects.get(run_id=letter.run_id, step="act").output == "other"
    assert Run.objects.get(id=letter.run_id).state == "succeeded"


def test_one_item_gets_its_own_inputs_and_the_others_keep_theirs() -> None:
    args = {"value": "${{ item }}", "bad": 2}
    run_id = begin({"act": call("fail_on", for_each=[1, 2, 3], parallel=2, args=args, retry=AT_ONCE)})
    work(run_id, is_patient=False)
    letter = DeadLetter.objects.get(run_id=run_id)

    requeue(letter, payload={"call": "flows.fail_on", "args": {"value": 20, "bad": 2}})
    work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    outputs = Item.objects.filter(run_id=run_id).order_by("index").values_list("output", flat=True)
    assert list(outputs) == [1, 20, 3]
    assert not InputOverride.objects.filter(run_id=run_id).exists()
