"""From the stored request to the run: events, triggers, duplicates, replays, and events that stay away."""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from audit.models import AuditEvent
from automation.errors import SourceInUse, SourceInvalid
from automation.inbound import queries, replaying
from automation.inbound.sources import SourceWanted, delete_source, save_source
from automation.intake import rows
from automation.intake.counting import Refusals
from automation.intake.envelope import Envelope
from automation.intake.loading import Loader
from automation.models import EventTrigger, TriggerFiring, WebhookDelivery
from automation.receiving import expecting
from automation.verification.contract import Request
from tests.flows.driving import TESTER
from tests.support import hooks
from workflows import operations
from workflows.core import identity
from workflows.core.correlation import NewEvent
from workflows.core.problems import DefinitionInvalid
from workflows.models import Event, Run

pytestmark = pytest.mark.usefixtures("database")
SECRET = "It's a Secret to Everybody"


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> str:
    """This will be a source of this test alone, with the preset of GitHub."""
    monkeypatch.setenv("TEST_HOOK_SECRET", SECRET)
    name = f"hub-{uuid4().hex[:12]}"
    save(name)
    return name


def save(name: str, **more: Any) -> None:
    """This will make or change a source."""
    wanted = SourceWanted(**{"name": name, "preset": "github", "secrets": ("env:TEST_HOOK_SECRET",), **more})
    save_source(wanted, actor=TESTER, now=timezone.now())


def publish(on: Mapping[str, object], **more: object) -> str:
    """This will publish a workflow of one step that starts at events."""
    name = f"heard-{uuid4().hex[:12]}"
    document = {"name": name, "on": on, "steps": {"seen": {"uses": "set", "with": {"in": "${{ input }}"}}}, **more}
    operations.publish(source=json.dumps(document), actor=TESTER, now=timezone.now())
    return name


def receive(source: str, body: bytes, *, delivery: str, event: str = "push") -> UUID:
    """This will store a request as the intake does."""
    now = timezone.now()
    envelope = Envelope(
        id=identity.run_id(unix_ms=int(now.timestamp() * 1000), random_bytes=os.urandom(10)),
        source=source,
        received_at=now.timestamp(),
        body=body,
        headers={"x-github-delivery": delivery, "x-github-event": event, "content-type": "application/json"},
    )
    rows.write([envelope])
    rows.write([envelope])  # the broker may deliver it twice
    return envelope.id


def inputs_of(workflow: str) -> Sequence[object]:
    """This will give the inputs of the runs of a workflow, in the order of their texts."""
    return sorted((run.input for run in Run.objects.filter(workflow_name=workflow)), key=str)


def row(delivery: UUID) -> WebhookDelivery:
    """This will read a request."""
    return queries.get_delivery(delivery=delivery)


def test_a_webhook_starts_the_runs_that_listen_to_it_and_no_others(source: str) -> None:
    every = publish({"webhook": {"source": source, "event": "push"}})
    big = publish(
        {
            "webhook": {
                "source": source,
                "event": "p*",
                "match": "${{ event.data.size > 5 }}",
                "input": {"size": "${{ event.data.size }}", "from": "${{ event.source }}"},
            }
        }
    )
    other = publish({"webhook": {"source": f"{source}-not", "event": "push"}})

    small, large = (receive(source, json.dumps({"size": n}).encode(), delivery=f"d{n}") for n in (1, 9))
    hooks.receive_all()

    assert inputs_of(every) == [{"size": 1}, {"size": 9}]
    assert inputs_of(big) == [{"size": 9, "from": f"webhook:{source}"}]
    assert inputs_of(other) == []
    assert (row(small).state, row(large).state) == ("matched", "matched")
    assert [one.state for one in queries.firings(event=row(small).event)] == ["started", "passed"]  # type: ignore[arg-type]
    run = Run.objects.get(workflow_name=big)
    assert run.started_by.startswith("trigger:")


def test_the_same_delivery_twice_changes_nothing_the_second_time(source: str) -> None:
    workflow = publish({"webhook": {"source": source, "event": "push"}})
    first = receive(source, b'{"n": 1}', delivery="d1")
    hooks.receive_all()
    again = receive(source, b'{"n": 1}', delivery="d1")
    hooks.receive_all()

    assert (row(first).state, row(again).state) == ("matched", "duplicate")
    assert row(again).event == row(first).event
    assert len(inputs_of(workflow)) == 1


def test_what_is_not_an_event_is_refused_and_holds_up_nobody(source: str) -> None:
    bodies = [b"[]", b"{", b'{"text": "\\u0000"}', b"\xff", b'{"big": "' + b"x" * 70_000 + b'"}', b'{"ok": 1}']
    deliveries = [receive(source, body, delivery=f"d{n}") for n, body in enumerate(bodies)]
    hooks.receive_all()

    assert [row(one).state for one in deliveries] == ["refused"] * 5 + ["unmatched"]
    assert row(deliveries[0]).problem == "$: the body must be an object, this is a list"
    assert "at most 65536 are taken" in row(deliveries[4]).problem


def test_a_replay_is_a_new_event_that_starts_a_run_again(source: str) -> None:
    workflow = publish({"webhook": {"source": source, "event": "push"}})
    first = receive(source, b'{"n": 1}', delivery="d1")
    hooks.receive_all()

    (again,) = replaying.replay([first], actor=TESTER, now=timezone.now())
    hooks.receive_all()

    assert (row(again).state, row(again).replay_of) == ("matched", first)
    assert inputs_of(workflow) == [{"n": 1}, {"n": 1}]
    assert AuditEvent.objects.filter(kind="webhook.replayed", subject_id=str(first)).count() == 1


def test_a_run_that_cannot_be_started_is_told_of_and_the_event_stays(source: str) -> None:
    schema = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    picky = publish({"webhook": {"source": source, "event": "push"}}, input=schema)
    easy = publish({"webhook": {"source": source, "event": "push"}})
    delivery = receive(source, b'{"id": "seven"}', delivery="d1")
    hooks.receive_all()

    assert (inputs_of(picky), inputs_of(easy)) == ([], [{"id": "seven"}])
    refused, started = queries.firings(event=row(delivery).event)  # type: ignore[arg-type]
    assert (refused.state, started.state) == ("refused", "started")
    assert "$.input.id" in refused.problem or "$.id" in refused.problem
    assert AuditEvent.objects.filter(kind="trigger.refused", subject_id=str(refused.trigger_id)).exists()


def test_one_event_that_cannot_start_a_run_holds_up_no_other_of_its_trigger(source: str) -> None:
    schema = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    on = {"webhook": {"source": source, "event": "push", "match": "${{ !has(event.data.skip) }}"}}
    picky = publish(on, input=schema)
    bodies = [b'{"id": 1}', b'{"id": "two"}', b'{"skip": true}', b'{"id": 4}', b'{"id": 5}']
    deliveries = [receive(source, body, delivery=f"d{n}") for n, body in enumerate(bodies)]
    hooks.receive_all()

    assert inputs_of(picky) == [{"id": 1}, {"id": 4}, {"id": 5}]
    settled = [queries.firings(event=row(one).event)[0] for one in deliveries]  # type: ignore[arg-type]
    assert [one.state for one in settled] == ["started", "refused", "passed", "started", "started"]
    assert all(one.settled_at is not None for one in settled)
    assert len({one.run_id for one in settled}) == 4, "each has a run of its own, or none"


def test_an_event_from_anywhere_starts_runs_of_whoever_asks_for_its_type() -> None:
    kind = f"order.{uuid4().hex[:8]}"
    any_source = publish({"event": {"type": f"{kind}*"}})
    one_source = publish({"event": [{"type": f"{kind}.paid", "source": "till"}, {"type": f"{kind}.lost"}]})
    for place, (suffix, source) in enumerate((("paid", "till"), ("paid", "shop"), ("lost", "shop"))):
        event = NewEvent(id=f"{kind}{place}", source=source, type=f"{kind}.{suffix}", data=place)
        operations.publish_event(event, actor=TESTER, now=timezone.now())
        operations.publish_event(event, actor=TESTER, now=timezone.now())
    hooks.receive_all()

    assert inputs_of(any_source) == [0, 1, 2]
    assert inputs_of(one_source) == [0, 2]


def test_a_trigger_ends_when_its_definition_no_longer_has_it() -> None:
    kind = uuid4().hex
    name = publish({"event": {"type": kind}})
    again = {"name": name, "steps": {"seen": {"uses": "set", "with": {"in": 1}}}}
    operations.publish(source=json.dumps(again), actor=TESTER, now=timezone.now())

    operations.publish_event(NewEvent(id="1", source=kind, type=kind), actor=TESTER, now=timezone.now())
    hooks.receive_all()

    assert inputs_of(name) == []
    assert EventTrigger.objects.get(workflow=name).ended_at is not None


def test_an_event_that_stays_away_starts_one_run_for_each_absence() -> None:
    kind = uuid4().hex
    name = publish({"event_missing": {"type": kind, "within": "10m", "input": {"late": "${{ event.expected_by }}"}}})
    begun = timezone.now()

    def look(after: timedelta) -> int:
        expecting.look(now=begun + after)
        return len(inputs_of(name))

    counts = [look(timedelta(minutes=minutes)) for minutes in (5, 11, 12, 40)]
    operations.publish_event(NewEvent(id="1", source=kind, type=kind), actor=TESTER, now=timezone.now())
    Event.objects.filter(type=kind).update(received_at=begun + timedelta(minutes=41))
    later = [look(timedelta(minutes=minutes)) for minutes in (42, 50, 52, 53)]

    assert (counts, later) == ([0, 1, 1, 1], [1, 1, 2, 2])
    assert AuditEvent.objects.filter(kind="event.missing", correlation_id=name).count() == 2


@pytest.mark.parametrize(
    ("on", "path"),
    [
        ({"event": {"type": "a*b"}}, "$.on.event.type"),
        ({"event": {"type": "a", "match": "${{ events.data }}"}}, "$.on.event.match"),
        ({"webhook": [{"source": "shop", "event": "a"}, {"source": "shop"}]}, "$.on.webhook[1]"),
        ({"webhook": {"source": "shop", "event": "a", "input": {"b": "${{ input.x }}"}}}, "$.on.webhook.input.b"),
        ({"event_missing": {"type": "a", "within": "0.1s"}}, "$.on.event_missing.within"),
    ],
)
def test_a_wrong_trigger_is_refused_with_its_place(on: Mapping[str, object], path: str) -> None:
    with pytest.raises(DefinitionInvalid) as raised:
        publish(on)

    assert path in {problem.path for problem in raised.value.problems}


def test_a_source_is_checked_and_cannot_go_while_somebody_listens(source: str) -> None:
    wrong = SourceWanted(name="Shop", preset="hmac", options={"algorithm": "md5"}, secrets=("s3cret",), rate_per_s=-1)
    with pytest.raises(SourceInvalid) as raised:
        save_source(wrong, actor=TESTER, now=timezone.now())
    assert {problem.path for problem in raised.value.problems} >= {
        "$.name",
        "$.options",
        "$.rate_per_s",
        "$.secrets[0]",
    }
    assert "s3cret" not in str(raised.value)

    publish({"webhook": {"source": source, "event": "push"}})
    with pytest.raises(SourceInUse):
        delete_source(name=source, actor=TESTER, now=timezone.now())


def test_the_intake_knows_the_secrets_of_its_sources_and_shows_none(source: str) -> None:
    save(source, secrets=("env:TEST_HOOK_SECRET", "env:TEST_HOOK_MISSING"))
    known = Loader().load()[source]
    body = b"{}"
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    request = Request(body=body, headers={"x-hub-signature-256": f"sha256={signature}"})

    assert known.preset.verify(request, secrets=known.secrets, options={}, now=0).key == 0
    assert len(known.secrets) == 1
    assert SECRET not in repr(known)
    save(source, is_enabled=False)
    assert source not in Loader().load()


def test_what_was_refused_is_counted_by_the_hour(source: str) -> None:
    refusals = Refusals()
    at = datetime(2026, 5, 4, 10, 59, tzinfo=UTC)
    for reason in ("wrong_signature", "wrong_signature", "rate"):
        refusals.note(source=source, reason=reason)
    assert refusals.write(now=at) == 3
    refusals.note(source=source, reason="rate")
    refusals.write(now=at)

    rows = queries.refusals(source=source, now=at)
    assert {(one.reason, one.count, one.hour.hour) for one in rows} == {("wrong_signature", 2, 10), ("rate", 2, 10)}
    assert queries.refused(now=at)[source] == 4


def test_what_is_shown_of_a_request_has_its_secrets_masked(source: str) -> None:
    delivery = receive(source, b'{"api_key": "k-1", "n": 1}', delivery="d1")
    WebhookDelivery.objects.filter(id=delivery).update(headers={"x-auth-token": "t", "x-kind": "a"})

    assert queries.shown_body(row(delivery)) == {"api_key": "***", "n": 1}
    assert queries.shown_headers(row(delivery)) == {"x-auth-token": "***", "x-kind": "a"}
    assert TriggerFiring.objects.filter(event=delivery).count() == 0


def test_an_intake_that_has_not_read_its_sources_says_that_it_is_not_ready(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loader, "load", _away)

    answer = hooks.post(source, b"{}", {})

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def _away(_: Loader) -> NoReturn:
    raise OperationalError("away")


def test_the_intake_answers_as_it_should(source: str) -> None:
    body = b'{"n": 1}'
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Delivery": "d1", "X-GitHub-Event": "push"}

    taken = hooks.post(source, body, headers)
    forged = hooks.post(source, body + b" ", headers)
    unknown = hooks.post(f"{source}-not", body, headers)
    wrong = hooks.post(source, b"", {}, method="GET")
    save(source, max_bytes=5)
    long = hooks.post(source, body, headers)

    assert (taken.status, row(UUID(taken.json["id"])).body) == (202, body)
    assert [one.status for one in (forged, unknown, wrong, long)] == [401, 404, 405, 413]
    assert forged.json["type"] == "urn:problem-type:automation:webhook-wrong-signature"
    assert wrong.headers["allow"] == "POST"
    assert {one.reason: one.count for one in queries.refusals(source=source, now=timezone.now())} == {
        "wrong_signature": 1,
        "size": 1,
    }
