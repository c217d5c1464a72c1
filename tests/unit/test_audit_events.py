"""The canonical form of audit events, on values worked out by hand."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import pytest

from audit.errors import UnencodableEvent
from audit.events import Actor, ActorKind, Event, EventKind, canonical_json, digest_of, encode


def event(*, at: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC), **payload: object) -> Event:
    """This will make an event whose payload is the keyword arguments."""
    return Event(
        kind=EventKind.STEP_SUCCEEDED,
        actor=Actor(kind=ActorKind.ENGINE, id="w1"),
        subject_type="run",
        subject_id="r1",
        correlation_id="c1",
        at=at,
        payload=payload,
    )


def test_encode_writes_sorted_json_and_utc_with_microseconds() -> None:
    summer = datetime(2026, 7, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))

    encoded = encode(event(at=summer, step="charge", attempt=1))

    assert encoded["at"] == "2026-07-01T12:00:00.000000+00:00"
    assert encoded["payload"] == '{"attempt":1,"step":"charge"}'
    assert encoded["actor"] == "engine:w1"
    assert encoded["kind"] == "step.succeeded"


def test_digest_is_sha256_over_the_sorted_fields_as_anybody_can_compute_it() -> None:
    encoded = dict(encode(event(note='quote " and é')))
    digest = encoded.pop("digest")

    canonical = json.dumps(encoded, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert digest == hashlib.sha256(canonical.encode()).hexdigest()


def test_digest_differs_when_any_field_differs() -> None:
    fields = {name: str(value) for name, value in encode(event(step="charge")).items()}
    digest = fields.pop("digest")

    changed = {name: digest_of(**{**fields, name: value + "x"}) for name, value in fields.items()}

    assert digest not in changed.values()
    assert len(set(changed.values())) == len(fields)


class Word(StrEnum):
    """A closed set whose members are texts."""

    YES = "yes"


def test_canonical_json_takes_members_of_text_enums_and_tuples() -> None:
    assert canonical_json({"a": Word.YES, "b": (1, True, None)}) == '{"a":"yes","b":[1,true,null]}'


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("nan"),
        Decimal(1),
        datetime(2026, 1, 1, tzinfo=UTC),
        b"x",
        {1: "a"},
        {"deep": [{"x": 0.1}]},
        2**53,
    ],
    ids=str,
)
def test_encode_refuses_what_has_no_single_canonical_form(value: object) -> None:
    with pytest.raises(UnencodableEvent):
        encode(event(value=value))


def test_encode_refuses_a_payload_that_holds_itself() -> None:
    circle: list[object] = []
    circle.append(circle)

    with pytest.raises(UnencodableEvent):
        encode(event(circle=circle))


def test_encode_refuses_an_instant_without_time_zone() -> None:
    with pytest.raises(UnencodableEvent, match="time zone"):
        encode(event(at=datetime(2026, 1, 1)))  # noqa: DTZ001 - the point of the test


def test_actor_reads_back_from_its_text() -> None:
    actor = Actor(kind=ActorKind.TOKEN, id="ci:3")

    assert Actor.parse(str(actor)) == actor
    with pytest.raises(ValueError, match="martian"):
        Actor.parse("martian:1")
