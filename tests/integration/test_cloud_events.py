"""CloudEvents 1.0 over HTTP in every mode: what the official SDK writes is read, and it reads what we write."""

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson
import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from django.utils import timezone

from automation.inbound import queries, replaying
from automation.inbound.sources import SourceWanted, save_source
from automation.models import WebhookDelivery
from automation.outbound.formats import write
from automation.outbound_models import Format
from tests.flows.driving import TESTER
from tests.support import api, hooks
from workflows import event_queries
from workflows.models import Event

pytestmark = pytest.mark.usefixtures("database")
TOKEN = "a-token-of-sixteen-characters-or-more"
AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
SUBJECT = '50 % "off" Köln'


def cloud_event(key: str, *, data: object = None, **more: object) -> CloudEvent:
    """This will be an event as the SDK makes it."""
    named = {
        "id": uuid4().hex,
        "source": "/shop",
        "type": "order.placed",
        "time": AT,
        "subject": SUBJECT,
        "correlationkey": key,
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes={**named, **more}, data=data)  # type: ignore[arg-type]  # the SDK checks it


def publish(message: http.HTTPMessage) -> tuple[int, Mapping[str, object]]:
    """This will send what the SDK wrote to the events API."""
    caller = api.client("events:write", "runs:read")
    kind = message.headers.get("content-type", "application/octet-stream")
    others = {name: value for name, value in message.headers.items() if name != "content-type"}
    answer = caller.generic("POST", "/api/v1/events", message.body, content_type=kind, headers=others)
    return answer.status_code, answer.json()


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> str:
    """This will be a source of this test alone that sends CloudEvents."""
    monkeypatch.setenv("TEST_CLOUD_TOKEN", TOKEN)
    name = f"cloud-{uuid4().hex[:12]}"
    save(name)
    return name


def save(name: str, **more: object) -> None:
    """This will make or change the source."""
    known = {"preset": "bearer", "secrets": ("env:TEST_CLOUD_TOKEN",), "options": {"cloudevents": True}}
    save_source(SourceWanted(name=name, **{**known, **more}), actor=TESTER, now=timezone.now())  # type: ignore[arg-type]  # each is of its field's type


def deliver(source: str, body: bytes, **headers: str) -> WebhookDelivery:
    """This will post a request at the intake, and give what became of it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = hooks.post(source, body, {"authorization": f"Bearer {TOKEN}", **named})
    assert answer.status == 202, answer.body
    hooks.receive_all()
    return queries.get_delivery(delivery=UUID(answer.json["id"]))


def events(source: str) -> Sequence[Event]:
    """This will give the events of a source, in the order of their ids there."""
    return list(Event.objects.filter(source=f"webhook:{source}").order_by("event_id"))


@pytest.mark.parametrize("written", [http.to_binary_event, http.to_structured_event], ids=["binary", "structured"])
def test_what_the_sdk_writes_is_published(written: object) -> None:
    key = uuid4().hex
    event = cloud_event(key, data={"total": 5}, region="eu")

    status, answer = publish(written(event))  # type: ignore[operator]  # functions of the SDK
    again, _ = publish(written(event))  # type: ignore[operator]  # as above

    row = Event.objects.get(key=key)
    assert (status, again, answer["id"]) == (202, 200, event.get_id())
    assert (row.data, row.subject, row.time, row.type) == ({"total": 5}, event.get_subject(), AT, "order.placed")
    assert row.attributes["region"] == "eu"


def test_binary_data_may_be_text_or_nothing() -> None:
    keys = uuid4().hex, uuid4().hex
    text = cloud_event(keys[0], data="plain", datacontenttype="text/plain")
    bare = {f"ce-{n}": v for n, v in {"specversion": "1.0", "id": "1", "source": keys[1], "type": "t"}.items()}

    assert publish(http.to_binary_event(text))[0] == 202
    assert publish(http.HTTPMessage(headers={**bare, "ce-correlationkey": keys[1]}, body=b""))[0] == 202
    assert [Event.objects.get(key=key).data for key in keys] == ["plain", None]


@pytest.mark.parametrize(
    ("headers", "body", "path"),
    [
        ({"ce-id": "1", "ce-source": "s", "ce-type": "t"}, b"{}", "$"),
        ({"ce-specversion": "0.3", "ce-id": "1", "ce-source": "s", "ce-type": "t"}, b"{}", "$.specversion"),
        (
            {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t", "content-type": "image/png"},
            b"x",
            "$.datacontenttype",
        ),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-ttl": "soon"}, b"{}", "$.ttl"),
    ],
)
def test_a_wrong_event_in_binary_mode_is_refused_with_its_place(
    headers: dict[str, str], body: bytes, path: str
) -> None:
    status, answer = publish(http.HTTPMessage(headers={"content-type": "application/json", **headers}, body=body))

    assert status == 422
    assert [problem["path"] for problem in answer["problems"]] == [path]  # type: ignore[attr-defined]  # a list


def test_data_that_are_not_json_are_refused() -> None:
    event = http.to_binary_event(cloud_event("k", data={"n": 1}))

    assert publish(http.HTTPMessage(headers=event.headers, body=b"{'n': 1"))[0] == 400


def test_a_source_sends_events_in_every_mode(source: str) -> None:
    one, two, three = (cloud_event(f"key-{n}", data={"n": n}, id=str(n)) for n in range(3))
    binary, structured = http.to_binary_event(one), http.to_structured_event(two)
    batch = orjson.dumps([orjson.loads(http.to_structured_event(each).body) for each in (two, three)])

    first = deliver(source, binary.body, **binary.headers)
    second = deliver(source, structured.body, **structured.headers)
    both = deliver(source, batch, content_type="application/cloudevents-batch+json")
    again = deliver(source, batch, content_type="application/cloudevents-batch+json")

    assert [row.state for row in (first, second, both, again)] == ["unmatched"] * 3 + ["duplicate"]
    assert [(row.event_id, row.key, row.data) for row in events(source)] == [
        (f"/shop#{n}", f"key-{n}", {"n": n}) for n in range(3)
    ]
    assert {row.attributes["origin"] for row in events(source)} == {"/shop"}


def test_a_batch_that_is_replayed_is_new_events(source: str) -> None:
    batch = orjson.dumps([orjson.loads(http.to_structured_event(cloud_event("k", id=str(n))).body) for n in range(2)])
    first = deliver(source, batch, content_type="application/cloudevents-batch+json")

    replaying.replay([first.id], actor=TESTER, now=timezone.now())
    hooks.receive_all()

    assert len(events(source)) == 4


def test_a_wrong_batch_is_refused_as_a_whole_and_says_where(source: str) -> None:
    right = orjson.loads(http.to_structured_event(cloud_event("k")).body)
    wrong = {**right, "specversion": "0.3"}

    row = deliver(source, orjson.dumps([right, wrong]), content_type="application/cloudevents-batch+json")
    empty = deliver(source, b"[]", content_type="application/cloudevents-batch+json")
    image = deliver(source, b"x", ce_specversion="1.0", ce_id="1", content_type="image/png")

    assert (row.state, row.problem.split(":")[0]) == ("refused", "$[1].specversion")
    assert empty.problem == "$: a batch has 1 to 100 events, this has 0"
    assert image.problem.startswith("$.datacontenttype: data of the kind image/png")
    assert events(source) == []


def test_a_sender_may_ask_whether_it_may_send(source: str) -> None:
    asked = {"webhook-request-origin": "eventemitter.example.com"}

    allowed = hooks.post(source, b"", asked, method="OPTIONS")
    save(source, options={}, preset="bearer")
    refused = hooks.post(source, b"", asked, method="OPTIONS")

    assert (allowed.status, refused.status) == (200, 405)
    assert allowed.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert allowed.headers["webhook-allowed-rate"] == "6000"


def test_a_signature_is_verified_before_an_event_is_read(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_CLOUD_HMAC", "hush")
    save(source, preset="hmac", secrets=("env:TEST_CLOUD_HMAC",), options={"header": "X-Sig", "cloudevents": True})
    message = http.to_structured_event(cloud_event("k", id="signed"))
    signature = hmac.new(b"hush", message.body, hashlib.sha256).hexdigest()

    assert hooks.post(source, message.body, {**message.headers, "X-Sig": "00" * 32}).status == 401
    assert deliver(source, message.body, **message.headers, X_Sig=signature).state == "unmatched"


@pytest.mark.parametrize("form", [Format.BINARY, Format.STRUCTURED])
@pytest.mark.parametrize("data", [{"total": 5, "where": "Köln"}, None, [1, 2]])
def test_the_sdk_reads_what_is_written(form: Format, data: object) -> None:
    key = uuid4().hex
    publish(http.to_structured_event(cloud_event(key, data=data, sequence="7")))
    row = Event.objects.get(key=key)

    headers, body = write(event_queries.documents([row.id])[row.id], kind=row.type, form=form)
    read = http.from_http_event(http.HTTPMessage(headers=dict(headers), body=body.encode()))

    assert (read.get_id(), read.get_source(), read.get_type()) == (row.event_id, "/shop", "order.placed")
    assert (read.get_subject(), read.get_time()) == (SUBJECT, AT)
    assert (read.get_extension("correlationkey"), read.get_extension("sequence")) == (key, "7")
    assert read.get_data() == data
    assert os.linesep not in "".join(headers.values())
