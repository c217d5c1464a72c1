"""Run ids in the order of time, and idempotency keys that stay what they are."""

import uuid

from workflows.core.identity import idempotency_key, run_id

RUN = uuid.UUID("01a1fcc4-fdfd-7db3-a2d1-d279fc2e032b")


def test_run_id_is_a_uuid_of_version_7() -> None:
    made = run_id(unix_ms=1_700_000_000_000, random_bytes=b"\xff" * 10)

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_700_000_000_000


def test_run_ids_are_ordered_by_time() -> None:
    ids = [run_id(unix_ms=1_700_000_000_000 + ms, random_bytes=bytes([255 - ms]) * 10) for ms in range(50)]

    assert sorted(ids) == ids
    assert sorted(map(str, ids)) == list(map(str, ids))


def test_run_ids_of_one_millisecond_differ_by_their_random_bytes() -> None:
    first = run_id(unix_ms=5, random_bytes=bytes(10))
    second = run_id(unix_ms=5, random_bytes=bytes(9) + b"\x01")

    assert first != second


def test_idempotency_key_is_fixed_by_run_step_and_item() -> None:
    keys = {
        idempotency_key(run=RUN, step="charge", index=None),
        idempotency_key(run=RUN, step="charge", index=0),
        idempotency_key(run=RUN, step="charge", index=1),
        idempotency_key(run=RUN, step="book", index=None),
        idempotency_key(run=uuid.UUID(int=1), step="charge", index=None),
    }

    assert len(keys) == 5
    assert idempotency_key(run=RUN, step="charge", index=None) == "1d1b09de-3498-5ebb-8658-f0e7a4f80fad"
