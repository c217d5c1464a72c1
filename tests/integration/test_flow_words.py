"""What people read of a run that may not begin yet: why, since when, behind whom, and what would let it in."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.flows.driving import call, publish, start
from workflows import timeline
from workflows.admin import waits

pytestmark = pytest.mark.usefixtures("database")
STEPS = {"only": call("noop")}


def admin_words(run_id: object) -> str:
    """This will give what the run's page in the admin says."""
    story = timeline.find_story(run_id)  # type: ignore[arg-type]  # an id of a run
    assert story is not None
    (sentence,) = waits.sentences(story, now=timezone.now())
    assert sentence.state == "waiting"
    return sentence.text


def test_run_in_line_names_its_key_its_position_and_the_holder(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = publish(STEPS, concurrency={"key": "${{ input }}", "limit": 1})
    first, _second, third = (start(workflow, value="c7") for _ in range(3))

    call_command("automation", "why", str(third))

    told = "waits for a slot of the key c7, number 2 of 2 in line; 1 at a time, held by " + str(first)
    assert told in capsys.readouterr().out.replace("\n", " ").replace("  ", " ")
    assert admin_words(third) == told


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"throttle": {"limit": 1, "period": "10m"}}, "waits for its turn in the throttle; looks again in"),
        ({"debounce": {"period": "10m"}}, "waits until no other start comes; looks again in"),
        ({"batch": {"size": 9, "timeout": "10m"}}, "waits for more starts or the end of its time; looks again in"),
    ],
)
def test_run_that_waits_for_its_time_says_for_which(rule: dict[str, object], told: str) -> None:
    workflow = publish(STEPS, **rule)
    start(workflow)

    assert admin_words(start(workflow)).startswith(told)
