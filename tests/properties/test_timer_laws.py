"""Laws of waits: never over before their time, over for good from then on, and the same instant however often asked."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.core.definition import JsonObject
from workflows.core.outcome import Failed, Parked
from workflows.core.timers import MAX_AHEAD, WaitInvalid, wait, wait_until
from workflows.core.waiting_kinds import Stay

begins = st.integers(10**9, 3 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, tz=UTC))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
lengths = st.integers(0, 30 * 86_400).map(lambda seconds: {"for": f"{seconds}s"})


@st.composite
def waits(draw: st.DrawFn) -> tuple[JsonObject, datetime]:
    """This will draw what a wait is told, and when it begins."""
    begun_at = draw(begins)
    ahead = draw(st.timedeltas(timedelta(days=-400), timedelta(days=400)))
    instant = (begun_at + ahead).astimezone(draw(offsets)).isoformat()
    return draw(lengths | st.just({"until": instant})), begun_at


def look(inputs: JsonObject, *, begun_at: datetime, now: datetime) -> JsonObject | Failed | Parked:
    """This will have a step look at its wait."""
    return wait(
        Stay(
            run_id=UUID(int=1),
            step="pause",
            index=None,
            round=0,
            attempt=1,
            workflow_name="w",
            correlation_id="",
            inputs=inputs,
            begun_at=begun_at,
            now=now,
        )
    )


@given(drawn=waits(), later=st.timedeltas(timedelta(), timedelta(days=900)))
def test_wait_is_over_exactly_from_its_instant_on(drawn: tuple[JsonObject, datetime], later: timedelta) -> None:
    inputs, begun_at = drawn
    until = wait_until(inputs, begun_at=begun_at)

    found = look(inputs, begun_at=begun_at, now=begun_at + later)

    assert isinstance(found, Parked) == (begun_at + later < until)
    if isinstance(found, Parked):
        assert (found.until, found.object) == (until, until.isoformat())
    else:
        assert not isinstance(found, Failed)
        assert found["waited_s"] == round(later.total_seconds(), 3)


@given(drawn=waits(), first=st.timedeltas(timedelta(), timedelta(days=900)), then=st.timedeltas(timedelta()))
def test_every_look_names_the_same_instant(
    drawn: tuple[JsonObject, datetime], first: timedelta, then: timedelta
) -> None:
    inputs, begun_at = drawn
    looks = [
        look(inputs, begun_at=begun_at, now=begun_at + late) for late in (first, first + then % timedelta(days=90))
    ]

    named = {found.until.isoformat() if isinstance(found, Parked) else found["until"] for found in looks}  # type: ignore[index]

    assert named == {wait_until(inputs, begun_at=begun_at).isoformat()}


@given(begun_at=begins, beyond=st.timedeltas(timedelta(seconds=1), timedelta(days=1000)))
def test_instant_further_away_than_a_plan_is_refused(begun_at: datetime, beyond: timedelta) -> None:
    with pytest.raises(WaitInvalid):
        wait_until({"until": (begun_at + MAX_AHEAD + beyond).isoformat()}, begun_at=begun_at)


@given(text=st.text(max_size=30) | st.datetimes().map(lambda at: at.isoformat()))
def test_text_without_an_offset_is_no_instant(text: str) -> None:
    try:
        has_offset = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        has_offset = False
    if not has_offset:
        assert isinstance(
            look({"until": text}, begun_at=datetime(2026, 1, 1, tzinfo=UTC), now=datetime(2026, 1, 2, tzinfo=UTC)),
            Failed,
        )
