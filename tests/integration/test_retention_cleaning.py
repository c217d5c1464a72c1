"""Old months go as a whole, with their audit event; what is under way, held or young never does."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connections, transaction

from audit import queries as audit
from retention import operations
from retention.core.months import Month
from retention.core.policy import Verdict
from retention.operations import cleaning
from retention.queries import Span
from tests.support.history import ACTOR, DECEMBER, JANUARY, NOVEMBER, NOW, History, execute

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def history(database: None) -> Iterator[History]:
    """This will be a small history; its holds end with it."""
    made = History.made()
    yield made
    made.drop()


def test_months_go_with_all_that_hangs_on_them_and_young_ones_stay(history: History) -> None:
    history.add(Month(2026, 3))
    history.add(NOVEMBER)
    history.add(JANUARY)
    young = {history.add(Month(2027, 2)), history.add(Month(2027, 3))}

    done = history.clean()

    assert [(gone.judged.span.label, gone.judged.verdict) for gone in done] == [
        ("earlier", Verdict.DROP),
        ("2026_11", Verdict.DROP),
        ("2026_12", Verdict.DROP),
        ("2027_01", Verdict.DROP),
    ]
    assert history.left() == young
    keys = execute(f"select count(*) from {history.run}_key")
    assert keys == [(2,)]
    assert not [name for name in history.tables() if name.endswith(("_gone", "_kept", "_2026_11", "_earlier"))]


def test_gone_month_is_in_the_trail_with_what_it_held(history: History) -> None:
    history.add(NOVEMBER)

    history.clean()

    event = audit.events_for(f"{history.run}:2026_11").get()
    payload = orjson.loads(event.payload)
    assert (event.kind, event.actor) == ("history.dropped", "system:test")
    assert payload["rows"] == {f"{history.run}_2026_11": 1, f"{history.step}_2026_11": 2}
    assert payload["until"] == "2026-12-01T00:00:00+00:00"


def test_second_cleaning_finds_nothing_to_do(history: History) -> None:
    history.add(NOVEMBER)
    history.clean()
    before = history.tables()

    assert history.clean() == []
    assert history.tables() == before


def test_nothing_goes_when_history_is_kept_for_ever(history: History) -> None:
    kept = {history.add(Month(2020, 1)), history.add(NOVEMBER)}
    history.months = 0

    assert history.clean() == []
    assert history.left() == kept


def test_month_with_a_run_under_way_stays_whole_and_says_so(history: History) -> None:
    stay = {history.add(NOVEMBER), history.add(NOVEMBER, state="running")}
    history.add(DECEMBER)

    done = {gone.judged.span.label: gone for gone in history.clean()}

    assert history.left() == stay
    assert done["2026_11"].judged.verdict is Verdict.BUSY
    assert done["2026_11"].judged.facts is not None
    assert done["2026_11"].judged.facts.busy == 1


@pytest.mark.parametrize("scope", ["run", "workflow", "correlation"])
def test_held_runs_stay_where_they_are_while_the_rest_of_their_month_goes(history: History, scope: str) -> None:
    name, tag = f"held-{uuid4()}", f"case-{uuid4()}"
    history.add(NOVEMBER)
    held = history.add(NOVEMBER, name=name, tag=tag)
    history.hold(scope=scope, value={"run": str(held), "workflow": name, "correlation": tag}[scope])

    first = {gone.judged.span.label: gone for gone in history.clean()}
    second = {gone.judged.span.label: gone for gone in history.clean()}

    assert history.left() == {held}
    assert first["2026_11"].judged.verdict is Verdict.THIN
    assert first["2026_11"].kept == {f"{history.run}_2026_11": 1, f"{history.step}_2026_11": 2}
    assert second["2026_11"].judged.verdict is Verdict.KEPT
    assert execute(f"select count(*) from {history.run}_key") == [(1,)]
    assert execute(f"select tableoid::regclass::text from {history.run}") == [(f"{history.run}_2026_11",)]


def test_released_runs_go_with_the_next_cleaning(history: History) -> None:
    held = history.add(NOVEMBER)
    number = history.hold(scope="run", value=str(held))
    history.clean()
    assert history.left() == {held}

    assert operations.release_hold(hold_id=number, reason="over", actor=ACTOR, now=NOW)
    assert not operations.release_hold(hold_id=number, reason="over", actor=ACTOR, now=NOW)
    history.clean()

    assert history.left() == set()
    kinds = [event.kind for event in audit.events_for(f"hold:{number}")]
    assert kinds == ["hold.placed", "hold.released"]


def test_hold_ends_at_its_time(history: History) -> None:
    held = history.add(NOVEMBER)
    until = NOW + timedelta(days=1)
    operations.place_hold(scope="run", value=str(held), reason=history.run, actor=ACTOR, now=NOW, until=until)

    history.clean()
    assert history.left() == {held}
    history.clean(now=until)
    assert history.left() == set()


@pytest.mark.parametrize("step", ["_select_kept", "_check", "_drop_leftovers"])
def test_cleaning_goes_on_after_it_was_interrupted(
    history: History, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill leaves behind is what is committed: each step in turn never comes to its end."""
    history.add(NOVEMBER)
    held = history.add(NOVEMBER)
    history.hold(scope="run", value=str(held))

    calls = []
    real = getattr(cleaning, step)

    def interrupted(*args: object, **kwargs: object) -> object:
        calls.append(step)
        if len(calls) == (2 if step == "_drop_leftovers" else 1):
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(cleaning, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        history.clean()
    monkeypatch.undo()
    history.clean()

    assert history.left() == {held}
    assert not [name for name in history.tables() if name.endswith(("_gone", "_kept"))]


def test_hold_that_comes_while_a_month_is_copied_is_respected(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = history.add(NOVEMBER)
    held = history.add(NOVEMBER)
    history.add(NOVEMBER)
    history.hold(scope="run", value=str(held))
    real = cleaning._swap_patiently

    def swap_after_another_hold(span: Span, **rest: Any) -> None:
        if span.label == "2026_11":
            history.hold(scope="run", value=str(late))
        real(span, **rest)

    monkeypatch.setattr(cleaning, "_swap_patiently", swap_after_another_hold)
    first = {gone.judged.span.label: gone for gone in history.clean()}
    monkeypatch.undo()

    assert "have changed meanwhile" in first["2026_11"].trouble
    assert len(history.left()) == 3
    history.clean()
    assert history.left() == {held, late}


def test_row_that_changes_after_it_was_copied_is_not_lost(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.add(NOVEMBER)
    held = history.add(NOVEMBER)
    history.hold(scope="run", value=str(held))
    real = cleaning._swap_patiently

    def swap_after_a_change(span: Span, **rest: Any) -> None:
        if span.label == "2026_11":
            execute(f"update {history.run} set state = 'cancelled' where id = '{held}'")
        real(span, **rest)

    monkeypatch.setattr(cleaning, "_swap_patiently", swap_after_a_change)
    history.clean()
    monkeypatch.undo()
    history.clean()

    assert execute(f"select state from {history.run} where id = '{held}'") == [("cancelled",)]


def test_cleaner_gives_way_to_whoever_uses_the_table(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.add(NOVEMBER)
    monkeypatch.setattr(cleaning, "_TRIES", 1)
    reading, done = threading.Event(), threading.Event()

    def read() -> None:
        with transaction.atomic():
            execute(f"select * from {history.run}")
            reading.set()
            done.wait(120)
        connections.close_all()

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(120)
    try:
        first = {gone.judged.span.label: gone for gone in history.clean()}
    finally:
        done.set()
        reader.join()

    assert "lock timeout" in first["2026_11"].trouble
    assert len(history.left()) == 1
    history.clean()
    assert history.left() == set()


def test_second_cleaner_leaves_the_work_to_the_first(history: History) -> None:
    answers: list[object] = []

    def clean() -> None:
        answers.append(operations.clean(now=NOW, actor=ACTOR, classes=[history.data]))
        connections.close_all()

    with cleaning.locks.alone() as is_mine:
        assert is_mine
        other = threading.Thread(target=clean)
        other.start()
        other.join(120)

    assert answers == [None]
