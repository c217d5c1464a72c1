"""How recoveries are measured: from the end of an outage, in time in which no other fault is in force."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.chaos.recovery import Life, Outage, longest_recovery, quiet_s

START = datetime(2026, 1, 1, tzinfo=UTC)
RUN = UUID(int=1)


def at(seconds: float) -> datetime:
    """This will be an instant so long after the start."""
    return START + timedelta(seconds=seconds)


def outage(since: float, until: float) -> Outage:
    """This will be an outage between two instants."""
    return Outage(name="broker away", at=at(since), until=at(until))


def life(created: float, *moves: float, ended: float | None = None) -> Life:
    """This will be a run with what was recorded of it."""
    return Life(
        run_id=RUN,
        created_at=at(created),
        ended_at=None if ended is None else at(ended),
        moved_at=[at(move) for move in moves],
    )


def test_recovery_is_the_time_from_the_end_of_an_outage_until_the_slowest_open_run_has_moved() -> None:
    found = longest_recovery([outage(2, 5)], [life(0, 1, 6, ended=6), life(1, 3, 7.5, 9, ended=9)])

    assert (found.seconds, found.outage) == (2.5, "broker away")


def test_run_that_started_later_or_had_ended_is_not_counted() -> None:
    found = longest_recovery([outage(2, 5)], [life(6, 20, ended=20), life(0, 1, 4, ended=4)])

    assert found.seconds == 0.0


def test_time_under_another_fault_is_not_counted() -> None:
    outages = [outage(2, 5), outage(6, 9), outage(8, 10)]

    assert quiet_s(at(5), at(12), outages=outages) == 3.0
    assert longest_recovery(outages, [life(0, 1, 12, ended=12)]).seconds == 3.0


def test_time_that_an_outage_covers_from_before_is_not_counted() -> None:
    assert quiet_s(at(5), at(7), outages=[outage(0, 6), outage(1, 3)]) == 1.0
    assert quiet_s(at(5), at(7), outages=[]) == 2.0
