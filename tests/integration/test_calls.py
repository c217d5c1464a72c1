"""The call ledger: written before anything is sent, true whatever happens, and no second effect in doubt."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from audit import queries as audit
from integrations import http, operations, queries
from integrations.errors import CallNotOpen, Refused, Unavailable, Unknown
from integrations.models import Call
from tests.flows import driving
from tests.support.calling import BLIND, POST, attempt, broken, call_arguments, call_of, charge, lead, shop_at
from workflows import operations as engine
from workflows.models import Attempt, DeadLetter, Run

pytestmark = pytest.mark.usefixtures("database", "_tidy")

SECRET = "whispered-42"


@pytest.fixture
def _tidy() -> Iterator[None]:
    yield
    http.close_connections()
    queries.forget_connections()


@pytest.fixture
def shop(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """This will be a connection to the server of the test."""
    monkeypatch.setenv("CALLS_TEST_SECRET", SECRET)
    return shop_at(httpserver.url_for(""), secret_reference="env:CALLS_TEST_SECRET")


def test_call_of_a_step_leaves_one_row_that_says_it_all(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_request("/charges").respond_with_json({"id": "ch_1", "echo": f"Bearer {SECRET}"})

    run = driving.finish(charge(shop))

    call = call_of(run.id)
    assert run.state == "succeeded"
    assert (call.outcome, call.happened, call.attempts, call.connection) == ("succeeded", True, 1, shop)
    assert (call.workflow_name, call.place, call.adapter) == (run.workflow_name, "charge", "http.request")
    assert call.key == UUID(httpserver.log[0][0].headers["idempotency-key"].strip('"'))
    assert call.duration_ms is not None
    assert call.first_sent_at == call.last_sent_at
    assert SECRET not in str(Call.objects.filter(key=call.key).values())


def test_call_is_durable_before_it_is_sent(httpserver: HTTPServer, shop: str) -> None:
    seen: list[tuple[str, int]] = []

    def look(request: Request) -> Response:
        key = UUID(request.headers["idempotency-key"].strip('"'))
        seen.extend(Call.objects.filter(key=key).values_list("outcome", "attempts"))
        connection.close()
        return Response("{}", content_type="application/json")

    httpserver.expect_request("/charges").respond_with_handler(look)

    driving.finish(charge(shop))

    assert seen == [("sending", 1)]


def test_attempts_that_did_not_happen_share_the_row(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_ordered_request("/charges").respond_with_data("down", status=503)
    httpserver.expect_ordered_request("/charges").respond_with_json({"id": 1})

    run = driving.finish(charge(shop))

    call = call_of(run.id)
    assert (call.outcome, call.attempts, call.evidence) == ("succeeded", 2, None)


def test_items_and_rounds_have_calls_of_their_own(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_request("/charges").respond_with_json({"id": 1})
    rounds = {"condition": "${{ output.status == 201 }}", "times": 2, "every": "1s"}

    items = driving.finish(charge(shop, for_each=["a", "b"]))
    repeated = driving.finish(charge(shop, repeat_until=rounds))

    assert set(Call.objects.filter(run_id=items.id).values_list("index", "round")) == {(0, None), (1, None)}
    assert set(Call.objects.filter(run_id=repeated.id).values_list("round", flat=True)) == {1, 2}


def test_steps_that_call_nothing_leave_nothing() -> None:
    run = driving.finish({"a": {"uses": "set", "with": {"x": 1}}})

    assert not Call.objects.filter(run_id=run.id).exists()


@pytest.mark.usefixtures("each_way")
def test_unknown_call_is_settled_by_the_same_key(httpserver: HTTPServer, shop: str) -> None:
    run_id = uuid4()
    httpserver.expect_ordered_request("/charges").respond_with_handler(broken)
    httpserver.expect_ordered_request("/charges").respond_with_json({"id": 1})
    with pytest.raises(Unknown) as caught:
        attempt(shop, run_id=run_id)
    before = call_of(run_id)

    attempt(shop, run_id=run_id)

    after = call_of(run_id)
    assert caught.value.repeatable
    assert (before.outcome, before.happened) == ("unknown", None)
    assert (after.outcome, after.happened, after.settled_by, after.attempts) == ("settled", True, "key", 2)
    assert len({request.headers["idempotency-key"] for request, _ in httpserver.log}) == 1


@pytest.mark.usefixtures("each_way")
def test_doubt_stays_when_the_next_attempt_did_not_happen(httpserver: HTTPServer, shop: str) -> None:
    run_id = uuid4()
    httpserver.expect_ordered_request("/charges").respond_with_handler(broken)
    httpserver.expect_ordered_request("/charges").respond_with_data("down", status=503)
    with pytest.raises(Unknown):
        attempt(shop, run_id=run_id)
    with pytest.raises(Unavailable):
        attempt(shop, run_id=run_id)

    call = call_of(run_id)

    assert (call.outcome, call.happened, call.attempts) == ("unknown", None, 2)


@pytest.mark.usefixtures("each_way")
def test_call_that_nothing_recognises_is_never_sent_twice(httpserver: HTTPServer, shop: str) -> None:
    run_id = uuid4()
    httpserver.expect_request("/charges").respond_with_handler(broken)
    with pytest.raises(Unknown):
        attempt(shop, BLIND, run_id=run_id)

    with pytest.raises(Unknown, match="settle the call") as caught:
        attempt(shop, BLIND, run_id=run_id)

    assert not caught.value.repeatable
    assert len(httpserver.log) == 1


@pytest.mark.usefixtures("each_way")
def test_changed_request_is_refused_while_the_first_may_have_happened(httpserver: HTTPServer, shop: str) -> None:
    run_id = uuid4()
    httpserver.expect_request("/charges").respond_with_handler(broken)
    with pytest.raises(Unknown):
        attempt(shop, run_id=run_id)

    with pytest.raises(Refused, match="not the one of attempt 1, which may have happened"):
        attempt(shop, {**POST, "json": {"amount": "99.00"}}, run_id=run_id)

    assert len(httpserver.log) == 1


def test_another_address_is_another_request_and_another_spelling_is_not(httpserver: HTTPServer, shop: str) -> None:
    run_id = uuid4()
    httpserver.expect_ordered_request("/charges").respond_with_handler(broken)
    httpserver.expect_ordered_request("/charges").respond_with_json({"id": 1})
    with pytest.raises(Unknown):
        attempt(shop, run_id=run_id)

    lead(shop, to=httpserver.url_for("/elsewhere"))
    with pytest.raises(Refused, match="not the one of attempt 1, which may have happened"):
        attempt(shop, run_id=run_id)
    lead(shop, to=httpserver.url_for("/").replace("http://", "HTTP://"))
    attempt(shop, run_id=run_id)

    assert (call_of(run_id).outcome, call_of(run_id).attempts) == ("settled", 2)


def test_changed_request_is_sent_when_the_first_did_not_happen(httpserver: HTTPServer, shop: str) -> None:
    run_id = uuid4()
    httpserver.expect_ordered_request("/charges").respond_with_data("wrong", status=422)
    httpserver.expect_ordered_request("/charges").respond_with_json({"id": 1})
    with pytest.raises(Refused):
        attempt(shop, run_id=run_id)
    digest = call_of(run_id).digest

    attempt(shop, {**POST, "json": {"amount": "99.00"}}, run_id=run_id)

    call = call_of(run_id)
    assert (call.outcome, call.attempts) == ("succeeded", 2)
    assert call.digest != digest


@pytest.mark.usefixtures("each_way")
def test_answer_that_the_engine_lost_comes_from_the_ledger(httpserver: HTTPServer, shop: str) -> None:
    run_id = uuid4()
    httpserver.expect_request("/charges").respond_with_json({"id": 7})
    first = attempt(shop, BLIND, run_id=run_id)

    again = attempt(shop, BLIND, run_id=run_id)

    assert again == first
    assert len(httpserver.log) == 1


@pytest.mark.usefixtures("each_way")
def test_what_changes_nothing_is_sent_whenever_asked(httpserver: HTTPServer, shop: str) -> None:
    run_id = uuid4()
    httpserver.expect_request("/stock").respond_with_json({"left": 3})
    attempt(shop, {"path": "/stock"}, run_id=run_id)

    attempt(shop, {"path": "/stock", "query": {"full": 1}}, run_id=run_id)

    call = call_of(run_id)
    assert (call.outcome, call.attempts, call.is_safe) == ("succeeded", 2, True)


def test_lost_worker_whose_call_has_ended_costs_no_second_call(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_request("/charges").respond_with_json({"id": 7})
    run_id = driving.begin(charge(shop, BLIND))
    driving.leave_behind(run_id)
    attempt(shop, BLIND, run_id=run_id)

    driving.lose(run_id)
    driving.work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert list(Attempt.objects.filter(run_id=run_id).values_list("kind", flat=True)) == ["lost"]
    assert len(httpserver.log) == 1


def test_lost_worker_that_was_sending_what_nothing_recognises_ends_the_step(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_request("/charges").respond_with_handler(broken)
    run_id = driving.begin(charge(shop, BLIND))
    driving.leave_behind(run_id)
    with pytest.raises(Unknown):
        attempt(shop, BLIND, run_id=run_id)
    Call.objects.filter(run_id=run_id).update(outcome="sending")

    driving.lose(run_id)
    driving.work(run_id, is_patient=False)

    assert DeadLetter.objects.get(run_id=run_id).kind == "lost"
    assert len(httpserver.log) == 1


def test_person_settles_what_has_happened_and_the_step_goes_on(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_request("/charges").respond_with_handler(broken)
    run = driving.finish({**charge(shop, BLIND)}, output={"id": "${{ steps.charge.output.body.id }}"})
    call = call_of(run.id)

    output = {"status": 200, "headers": {}, "body": {"id": "ch_9"}}
    finding = operations.Finding(happened=True, output=output, reason="seen in the dashboard")
    operations.settle_call(key=call.key, finding=finding, actor=driving.TESTER, now=timezone.now())
    requeue(run.id)

    again = Run.objects.get(id=run.id)
    assert (again.state, again.output) == ("succeeded", {"id": "ch_9"})
    assert len(httpserver.log) == 1
    (event,) = [one for one in audit.events_for(str(run.id)) if one.kind == "call.settled"]
    payload = orjson.loads(event.payload)
    assert (payload["how"], payload["found"], payload["reason"]) == ("hand", "happened", "seen in the dashboard")


def test_person_settles_what_did_not_happen_and_it_is_sent(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_ordered_request("/charges").respond_with_handler(broken)
    httpserver.expect_ordered_request("/charges").respond_with_json({"id": 1})
    run = driving.finish(charge(shop, BLIND))
    requeue(run.id)
    sent_unsettled = len(httpserver.log)

    finding = operations.Finding(happened=False, reason="the shop has no such charge")
    operations.settle_call(key=call_of(run.id).key, finding=finding, actor=driving.TESTER, now=timezone.now())
    requeue(run.id)

    assert sent_unsettled == 1
    assert Run.objects.get(id=run.id).state == "succeeded"
    assert (call_of(run.id).outcome, call_of(run.id).attempts) == ("succeeded", 2)


def test_settling_is_refused_where_nothing_is_open(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_request("/charges").respond_with_json({"id": 7})
    run = driving.finish(charge(shop))
    finding = operations.Finding(happened=False, reason="guess")

    with pytest.raises(CallNotOpen, match="it has happened"):
        operations.settle_call(key=call_of(run.id).key, finding=finding, actor=driving.TESTER, now=timezone.now())

    soon = timezone.now() + timedelta(seconds=30)
    Call.objects.filter(run_id=run.id).update(outcome="sending", happened=None, until_at=soon)
    with pytest.raises(CallNotOpen, match="may be under way"):
        operations.settle_call(key=call_of(run.id).key, finding=finding, actor=driving.TESTER, now=timezone.now())


def requeue(run_id: UUID) -> None:
    """This will bring the dead letter of a run back, and do its work."""
    letter = DeadLetter.objects.get(run_id=run_id, state="open")
    engine.requeue_dead_letter(dead_letter_id=letter.id, actor=driving.TESTER, now=timezone.now())
    driving.work(run_id, is_patient=False)


def test_what_is_told_to_stop_before_it_is_sent_did_not_happen(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_request("/charges").respond_with_json({"id": 7})
    run_id = uuid4()

    async def stopped_at_once() -> None:
        await asyncio.to_thread(queries.connection_settings, shop)
        task = asyncio.create_task(operations.acall(**call_arguments(shop, run_id=run_id)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        until = time.monotonic() + 20
        while (await asyncio.to_thread(call_of, run_id)).happened is not False and time.monotonic() < until:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(lambda: connection.close())

    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(ThreadPoolExecutor(1))
        runner.run(stopped_at_once())

    assert httpserver.log == []
    assert call_of(run_id).outcome == "unavailable"
