"""What the doctor says of which evidence."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from automation.doctor.diagnosis import diagnose, is_sick
from automation.doctor.evidence import (
    Broker,
    Cache,
    Configuration,
    Database,
    Evidence,
    Outside,
    Queue,
    Waiting,
    Work,
)
from automation.doctor.finding import Level

LANES = ["default", "bulk"]
HEALTHY = Evidence(
    configuration=Configuration(lanes=LANES),
    database=Database(version=160_002, skew_s=0.01, connections=9, connections_max=100),
    broker=Broker(
        version="4.1", dead_queue="dead", queues=[Queue(name=name, consumers=1) for name in (*LANES, "dead")]
    ),
    cache=Cache(version="7.2"),
    work=Work(),
)
DATABASE, BROKER, CONFIGURATION = HEALTHY.database, HEALTHY.broker, HEALTHY.configuration
assert DATABASE is not None
assert BROKER is not None


def codes(evidence: Evidence) -> dict[str, Level]:
    """This will give what is said beyond that all is well."""
    return {found.code: found.level for found in diagnose(evidence) if found.level is not Level.OK}


def test_healthy_installation_has_nothing_to_mend() -> None:
    assert codes(HEALTHY) == {}
    assert not is_sick(diagnose(HEALTHY))


SINCE = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outside", "expected"),
    [
        (Outside(waiting_s={"requests": 59.0, "triggers": 1.0, "webhooks": 0.0}), {}),
        (Outside(waiting_s={"requests": 61.0}), {"receiver-late": Level.ERROR}),
        (Outside(refusing={"shop": (12, "unverified")}), {"source-refuses": Level.WARNING}),
        (Outside(disabled={"partner": "gone"}), {"endpoint-disabled": Level.WARNING}),
        (Outside(failing={"partner": SINCE}), {"endpoint-failing": Level.WARNING}),
        (Outside(stores_away={"vault": "refused"}), {"secrets-away": Level.ERROR}),
        (Outside(secrets_missing={"env:A": "no such variable"}), {"secret-missing": Level.WARNING}),
        (Outside(overdue={"orders": SINCE}), {"reconciliation-overdue": Level.ERROR}),
    ],
)
def test_outside_world(outside: Outside, expected: dict[str, Level]) -> None:
    evidence = replace(HEALTHY, work=Work(outside=outside))

    assert codes(evidence) == expected
    assert all(one.mend and one.why for one in diagnose(evidence) if one.level is not Level.OK)


@pytest.mark.parametrize(("waiting", "consumers", "is_said"), [(3, 0, True), (3, 1, False), (0, 0, False)])
def test_queue_of_webhooks_that_nobody_reads_is_an_error(waiting: int, consumers: int, is_said: bool) -> None:
    inbound = Queue(name="intake", waiting=waiting, consumers=consumers)

    found = codes(replace(HEALTHY, broker=replace(BROKER, inbound=inbound)))

    assert found == ({"no-receiver": Level.ERROR} if is_said else {})


def test_intake_has_nobody_else_to_ask_while_the_broker_is_away() -> None:
    away = replace(HEALTHY, broker=None, errors={"broker": "refused"})
    taking = replace(away, work=Work(outside=Outside(has_sources=True)))

    assert codes(away) == {"broker-away": Level.ERROR}
    assert codes(taking) == {"broker-away": Level.ERROR, "intake-fallback": Level.WARNING}


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        (replace(DATABASE, version=140_001), {"database-old": Level.ERROR}),
        (replace(DATABASE, migrations=["workflows.0099_x"]), {"migrations": Level.ERROR}),
        (replace(DATABASE, connections=85), {"connections": Level.WARNING}),
        (replace(DATABASE, invalid_indexes=["run_failed"]), {"index-invalid": Level.ERROR}),
        (replace(DATABASE, unguarded=["audit_event_2026_11"]), {"audit-unguarded": Level.ERROR}),
        (replace(DATABASE, skew_s=-1.5), {"clock": Level.WARNING}),
        (replace(DATABASE, skew_s=6.0), {"clock": Level.ERROR}),
        (replace(DATABASE, has_leader=False), {"no-scheduler": Level.ERROR}),
    ],
)
def test_database(database: Database, expected: dict[str, Level]) -> None:
    assert codes(replace(HEALTHY, database=database)) == expected


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        (Queue(name="bulk", is_there=False), {"queue-missing": Level.WARNING}),
        (Queue(name="bulk", is_as_declared=False), {"queue-arguments": Level.ERROR}),
        (Queue(name="bulk", has_leader=False), {"queue-leaderless": Level.ERROR}),
        (Queue(name="dead", waiting=2, consumers=0), {"dead-queue": Level.WARNING}),
        (Queue(name="bulk", waiting=2, consumers=0), {}),
    ],
)
def test_queues(queue: Queue, expected: dict[str, Level]) -> None:
    assert codes(replace(HEALTHY, broker=replace(BROKER, queues=[queue]))) == expected


def test_lane_says_whether_nobody_reads_it_or_too_few() -> None:
    late = replace(HEALTHY, work=Work(waiting=[Waiting(lane="bulk", ready=5, oldest_s=90.0)]))
    deserted = replace(late, broker=replace(BROKER, queues=[Queue(name="bulk", consumers=0)]))
    nameless = replace(late, configuration=replace(CONFIGURATION, lanes=["default"]))

    assert codes(late) == {"lane-late": Level.WARNING}
    assert codes(deserted) == {"no-worker": Level.ERROR}
    assert codes(nameless) == {"lane-unknown": Level.ERROR}


def test_work() -> None:
    work = Work(
        leases_run_out=1,
        unknown_functions={"shop.gone": ["order v3"]},
        dead_letters=2,
        incidents=1,
        months=["run has no partition"],
        missed_fires={"nightly": datetime(2026, 11, 1, tzinfo=UTC)},
        dead_notifications=1,
        search_behind_s=301,
        search_refused=2,
        breakers_open=["shop"],
        pauses=["lane:bulk: a reason, by user:me"],
        out_of_reach=["approval 7: Pay?"],
    )

    assert codes(replace(HEALTHY, work=work)) == {
        "leases": Level.ERROR,
        "function-unknown": Level.ERROR,
        "dead-letters": Level.WARNING,
        "month-missing": Level.ERROR,
        "schedule-missed": Level.ERROR,
        "notifications": Level.WARNING,
        "search-behind": Level.WARNING,
        "search-refused": Level.WARNING,
        "breaker-open": Level.WARNING,
        "paused": Level.WARNING,
        "nobody-can-answer": Level.WARNING,
    }


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"shift_s": 20.0}, "SHIFT_S"),
        ({"dispatch_again_cap_s": 1.0}, "DISPATCH_AGAIN_CAP_S"),
        ({"notification_lease_s": 30.0}, "NOTIFICATION_LEASE_S"),
        ({"retention_audit_months": 6}, "RETENTION_AUDIT_MONTHS"),
        ({"retention_runs_months": 0}, "RETENTION_AUDIT_MONTHS"),
        ({"has_mail": False}, "EMAIL_URL"),
        ({"allowed_hosts": []}, "ALLOWED_HOSTS"),
        ({"public_url": "http://localhost:8000"}, "PUBLIC_URL"),
        ({"debug": True}, "DEBUG"),
    ],
)
def test_settings(changed: dict[str, object], where: str) -> None:
    configuration = replace(CONFIGURATION, **changed)  # type: ignore[arg-type]  # each has its own type
    found = [one for one in diagnose(replace(HEALTHY, configuration=configuration)) if one.level is not Level.OK]

    assert [one.where for one in found] == [where]
    assert all(one.mend for one in found)


def test_store_that_is_away_is_named_and_the_others_are_judged() -> None:
    evidence = replace(HEALTHY, database=None, work=None, errors={"database": "refused", "redis": "refused"})

    assert codes(evidence) == {"database-away": Level.ERROR, "redis-away": Level.WARNING}


def test_errors_come_first_and_each_says_how_it_is_mended() -> None:
    found = diagnose(replace(HEALTHY, database=replace(DATABASE, has_leader=False), work=Work(dead_letters=1)))

    assert [one.level for one in found] == sorted((one.level for one in found), key=[*reversed(Level)].index)
    assert all(one.mend and one.why for one in found if one.level is not Level.OK)
