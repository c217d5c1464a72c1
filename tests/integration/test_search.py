"""Incidents and dead letters in a search engine: all of them, whatever is lost on the way, and nothing secret."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit import operations as audit_operations
from audit import queries as audit
from audit.events import Event, EventKind
from automation.models import SinkCursor
from automation.sink import feeding
from automation.sink.documents import Document
from automation.sink.feeding import Feeder, Standing, find_standing
from automation.sink.opensearch import OpenSearchSink, SinkAway
from tests.flows.driving import AT_ONCE, TESTER, aside, call, finish
from tests.support.search_engine import DROP, SearchEngine
from workflows import operations
from workflows.models import DeadLetter, Run

pytestmark = pytest.mark.usefixtures("database")
LETTERS, INCIDENTS = "test-dead-letters", "test-incidents"


@pytest.fixture
def engine() -> Iterator[SearchEngine]:
    """This will be a cluster without documents."""
    with SearchEngine() as engine:
        yield engine


@pytest.fixture
def sink(engine: SearchEngine) -> Iterator[OpenSearchSink]:
    """This will be a client of it."""
    sink = OpenSearchSink(engine.url, timeout_s=60)
    yield sink
    sink.close()


@pytest.fixture
def feeder(sink: OpenSearchSink) -> Feeder:
    """This will feed it with what happens from now on."""
    name = f"test-{uuid4().hex[:12]}"
    SinkCursor.objects.create(name=name, after_id=audit.latest_id())
    return another(name, sink)


def another(name: str, sink: OpenSearchSink) -> Feeder:
    """This will be one more process that feeds."""
    return Feeder(sink, name=name, prefix="test")


def feed(feeder: Feeder) -> int | None:
    """This will have it look once."""
    return feeder.feed(now=timezone.now())


def cursor_of(feeder: Feeder) -> SinkCursor:
    """This will be its cursor."""
    return SinkCursor.objects.get(name=feeder.name)


def fails(message: str = "not wanted") -> tuple[Run, DeadLetter]:
    """This will be a run that failed, and its dead letter."""
    args = {"value": message, "bad": message}
    run = finish({"bad": call("fail_on", args=args)}, defaults={"retry": dict(AT_ONCE)})
    return run, DeadLetter.objects.get(run_id=run.id)


def test_dead_letters_and_incidents_are_found_as_they_are_now(engine: SearchEngine, feeder: Feeder) -> None:
    run, letter = fails()

    feed(feeder)
    found = engine.sources(LETTERS)[str(letter.id)]
    assert (found["run"], found["workflow"], found["step"], found["state"]) == (
        str(run.id),
        run.workflow_name,
        "bad",
        "open",
    )
    assert engine.sources(INCIDENTS)[letter.fingerprint]["state"] == "open"

    operations.discard_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now(), reason="seen")
    feed(feeder)
    assert engine.sources(LETTERS)[str(letter.id)]["state"] == "discarded"


def test_what_says_nothing_new_is_not_sent_again_and_the_cursor_moves(engine: SearchEngine, feeder: Feeder) -> None:
    _, letter = fails()

    feed(feeder)
    sent = engine.requests
    latest = audit.latest_id()
    for _ in range(3):
        feed(feeder)

    assert engine.requests == sent
    assert cursor_of(feeder).after_id >= latest
    assert str(letter.id) in engine.sources(LETTERS)


def test_answer_that_was_lost_makes_no_doubles(engine: SearchEngine, feeder: Feeder) -> None:
    _, letter = fails()
    engine.answers.append(DROP)

    with pytest.raises(SinkAway):
        feed(feeder)
    assert str(letter.id) in engine.sources(LETTERS), "it was taken all the same"
    feed(feeder)

    assert len(engine.sources(LETTERS)) == len(engine.sources(INCIDENTS)) == 1
    assert cursor_of(feeder).delivered == 2


@pytest.mark.parametrize("status", [401, 413, 429, 503])
def test_refused_request_leaves_the_cursor_where_it_was(engine: SearchEngine, feeder: Feeder, status: int) -> None:
    feed(feeder)
    before = cursor_of(feeder).after_id
    _, letter = fails()
    engine.answers.extend([status, status])

    for _ in range(2):
        with pytest.raises(SinkAway, match=f"127.0.0.1: .* {status}"):
            feed(feeder)
    assert cursor_of(feeder).after_id == before
    feed(feeder)

    assert str(letter.id) in engine.sources(LETTERS)


def test_document_that_comes_too_early_is_sent_again(engine: SearchEngine, feeder: Feeder) -> None:
    _, letter = fails()
    engine.busy.add(str(letter.id))

    with pytest.raises(SinkAway):
        feed(feeder)
    feed(feeder)

    assert str(letter.id) in engine.sources(LETTERS)


def test_document_that_is_refused_for_good_holds_up_no_other(engine: SearchEngine, feeder: Feeder) -> None:
    (_, bad), (_, good) = fails(), fails()
    engine.refuses.add(str(bad.id))

    feed(feeder)

    assert set(engine.sources(LETTERS)) == {str(good.id)}
    assert cursor_of(feeder).refused == 1


def test_event_that_is_committed_late_is_not_passed_over(engine: SearchEngine, feeder: Feeder) -> None:
    """Its id is lower than that of what was seen before it."""
    _, late = fails()
    feed(feeder)
    engine.documents.clear()
    begun, over = threading.Event(), threading.Event()

    def discard_slowly() -> None:
        with transaction.atomic():
            operations.discard_dead_letter(dead_letter_id=late.id, actor=TESTER, now=timezone.now(), reason="late")
            begun.set()
            over.wait(120)

    thread = aside(discard_slowly)
    begun.wait(120)
    _, early = fails()
    for _ in range(3):
        feed(feeder)
    assert set(engine.sources(LETTERS)) == {str(early.id)}
    over.set()
    thread.join()
    feed(feeder)

    assert engine.sources(LETTERS)[str(late.id)]["state"] == "discarded"


def test_one_process_feeds_at_a_time_and_another_goes_on_when_it_dies(feeder: Feeder, sink: OpenSearchSink) -> None:
    second = another(feeder.name, sink)

    assert feed(feeder) is not None
    assert feed(second) is None
    assert second.feed(now=timezone.now() + timedelta(minutes=5)) is not None
    assert feed(feeder) is None


def test_older_reading_that_comes_late_changes_nothing(engine: SearchEngine, sink: OpenSearchSink) -> None:
    def document(state: str) -> Document:
        return Document(index=LETTERS, id="1", source={"state": state})

    sink.put([document("discarded")], version=9)
    refusals = sink.put([document("open")], version=8)

    assert refusals == []
    assert engine.sources(LETTERS) == {"1": {"state": "discarded"}}


def test_inputs_and_secrets_stay_here(engine: SearchEngine, feeder: Feeder) -> None:
    fails("password=opensesame")

    feed(feeder)

    assert "payload" not in engine.received
    assert "opensesame" not in engine.received


def test_event_of_a_letter_that_is_gone_is_passed_over(engine: SearchEngine, feeder: Feeder) -> None:
    event = Event(
        kind=EventKind.DEAD_LETTER_CREATED,
        actor=TESTER,
        subject_type="run",
        subject_id=str(uuid4()),
        correlation_id="",
        at=timezone.now(),
        payload={"dead_letter": 2**50, "incident": ""},
    )
    with transaction.atomic():
        audit_operations.record(event)

    assert feed(feeder) == 0
    assert engine.requests == 0


def test_operator_is_told_how_it_stands(feeder: Feeder, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    assert find_standing(now=now) is None, "none is wanted"
    monkeypatch.setattr(settings, "OPENSEARCH_URL", engine.url)
    monkeypatch.setattr(feeding, "NAME", feeder.name)
    assert find_standing(now=now) == Standing(behind_s=0.0, refused=0), "it has just begun"

    _, letter = fails()
    engine.refuses.add(str(letter.id))
    feed(feeder)

    standing = find_standing(now=timezone.now() + timedelta(minutes=7))
    assert standing is not None
    assert standing.refused == 1
    assert 400 < standing.behind_s < 450
