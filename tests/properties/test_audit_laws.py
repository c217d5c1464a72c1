"""Laws of the audit trail's canonical form, over all payloads."""

import json
from datetime import UTC, datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st

from audit.events import Actor, ActorKind, Event, EventKind, canonical_json, digest_of, encode
from audit.redaction import redacted

LARGEST = 2**53 - 1
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
PAYLOADS = st.dictionaries(TEXTS, VALUES, max_size=5)
MOMENTS = st.datetimes(
    min_value=datetime.fromisoformat("1972-01-01"),
    max_value=datetime.fromisoformat("2099-12-31"),
    timezones=st.timezones(),
)
"""Bounds, for a filter would draw zones in vain: each reads a file."""


def reordered(value: object) -> object:
    """This will copy a value with the keys of every dict in the opposite order."""
    if isinstance(value, dict):
        return {key: reordered(item) for key, item in reversed(value.items())}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(PAYLOADS)
def test_canonical_json_is_what_the_standard_library_writes(payload: dict[str, object]) -> None:
    expected = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert canonical_json(payload) == expected


@given(PAYLOADS)
def test_canonical_json_is_the_same_in_any_order_and_after_reading_it_back(
    payload: dict[str, object],
) -> None:
    text = canonical_json(payload)

    assert canonical_json({"x": reordered(payload)}) == canonical_json({"x": payload})
    assert canonical_json(orjson.loads(text)) == text


@given(PAYLOADS, MOMENTS, TEXTS)
def test_digest_is_recomputed_from_the_encoded_fields(payload: dict[str, object], at: datetime, word: str) -> None:
    name = word.replace("\0", "")
    event = Event(
        kind=EventKind.RUN_STARTED,
        actor=Actor(kind=ActorKind.USER, id=word),
        subject_type="run",
        subject_id=name,
        correlation_id=name,
        at=at,
        payload=payload,
    )

    fields = encode(event)

    assert datetime.fromisoformat(fields["at"]) == at.astimezone(UTC)
    assert fields["digest"] == digest_of(
        at=fields["at"],
        kind=fields["kind"],
        actor=fields["actor"],
        subject_type=fields["subject_type"],
        subject_id=fields["subject_id"],
        correlation_id=fields["correlation_id"],
        payload=fields["payload"],
    )


@given(PAYLOADS)
def test_redacted_is_stable_and_keeps_every_key(payload: dict[str, object]) -> None:
    masked = redacted(payload)

    assert redacted(masked) == masked
    assert isinstance(masked, dict)
    assert masked.keys() == payload.keys()
