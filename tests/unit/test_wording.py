"""Every wait reason has an object and words: whoever adds one adds them, and every surface tells it."""

import pytest

from automation.schedule.waiting import WORDS as OF_SCHEDULES
from automation.schedule.waiting import Hold, ScheduleWait
from workflows.core.standing import OBJECT_KINDS
from workflows.core.states import WaitReason
from workflows.core.wording import WORDS


@pytest.mark.parametrize("reason", WaitReason)
def test_reason_names_its_object_and_what_would_end_it(reason: WaitReason) -> None:
    words = WORDS[reason].about("payments")

    assert OBJECT_KINDS[reason]
    assert words.says.strip()
    assert words.ends_when.strip()
    assert "payments" in words.says + words.ends_when


@pytest.mark.parametrize("reason", ScheduleWait)
def test_reason_of_a_schedule_names_its_object_and_what_would_end_it(reason: ScheduleWait) -> None:
    hold = Hold(reason=reason, name="nightly")

    assert OF_SCHEDULES[reason].object_kind
    assert hold.ends_when.strip()
    assert "nightly" in hold.says
