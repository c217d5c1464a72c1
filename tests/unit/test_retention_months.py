"""Months as bounds of keys: every id of a month lies between its bounds, and none of another does."""

import doctest
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from retention.core import months
from retention.core.months import KeyKind, Month, ahead, instant_of, lower_bound
from workflows.core import identity


def test_examples_hold() -> None:
    assert doctest.testmod(months).failed == 0


@pytest.mark.parametrize("kind", list(KeyKind))
def test_bound_is_read_back_as_the_instant_it_was_made_from(kind: KeyKind) -> None:
    for month in ahead(start=Month(2025, 11), count=30):
        assert instant_of(lower_bound(month.begins_at, kind=kind), kind=kind) == month.begins_at


@pytest.mark.parametrize("random_bytes", [bytes(10), b"\xff" * 10])
def test_ids_of_a_month_lie_between_its_bounds(random_bytes: bytes) -> None:
    for month in ahead(start=Month(2026, 1), count=24):
        first = UUID(lower_bound(month.begins_at, kind=KeyKind.UUID7))
        end = UUID(lower_bound(month.plus(1).begins_at, kind=KeyKind.UUID7))
        for instant in (month.begins_at, month.plus(1).begins_at - timedelta(milliseconds=1)):
            run_id = identity.run_id(unix_ms=round(instant.timestamp() * 1000), random_bytes=random_bytes)
            assert first <= run_id < end


def test_month_of_an_instant_is_that_of_utc() -> None:
    assert Month.of(datetime.fromisoformat("2026-12-31T23:30:00-05:00")) == Month(2027, 1)
    assert Month.of(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == Month(2026, 12)
