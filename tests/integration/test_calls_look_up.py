"""Looking up what became of a call before it is sent again: one effect at the peer, whatever is known here."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from audit import queries as audit
from integrations import http, queries
from integrations.errors import Postponed, Unavailable, Unknown
from integrations.models import Call
from tests.flows import driving
from tests.support.calling import BLIND, attempt, call_of, charge, shop_at
from workflows.core.problems import DefinitionInvalid
from workflows.models import Attempt, Run

pytestmark = pytest.mark.usefixtures("database", "_tidy")
LOOK_UP: Mapping[str, object] = {
    "path": "/charges",
    "query": {"key": "{idempotency_key}"},
    "found": "response.body.data.size() > 0",
    "body": "response.body.data[0]",
}
ASKING: Mapping[str, object] = {**BLIND, "look_up": LOOK_UP, "headers": {"x-order": "7"}}


class Shop:
    """A shop without idempotency keys that can be asked for its charges, and may die behind or before the effect."""

    def __init__(self, server: HTTPServer) -> None:
        self.charges: list[Mapping[str, object]] = []
        self.asked: list[str] = []
        self.dies = ""
        self.answers_look_ups = True
        server.expect_request("/charges", method="POST").respond_with_handler(self._charge)
        server.expect_request("/charges", method="GET").respond_with_handler(self._list)

    def _charge(self, _request: Request) -> Response:
        dies, self.dies = self.dies, ""
        if dies != "before":
            self.charges.append({"id": f"ch_{len(self.charges) + 1}"})
        if dies:
            return Response("it broke", status=500)
        return Response(orjson.dumps(self.charges[-1]), content_type="application/json")

    def _list(self, request: Request) -> Response:
        self.asked.append(request.args.get("key", ""))
        if not self.answers_look_ups:
            return Response("down", status=503)
        return Response(orjson.dumps({"data": self.charges}), content_type="application/json")


@pytest.fixture
def _tidy() -> Iterator[None]:
    yield
    http.close_connections()
    queries.forget_connections()


@pytest.fixture
def peer(httpserver: HTTPServer) -> Shop:
    """This will be the shop."""
    return Shop(httpserver)


@pytest.fixture
def shop(httpserver: HTTPServer) -> str:
    """This will be a connection to it."""
    return shop_at(httpserver.url_for(""))


@pytest.mark.usefixtures("each_way")
def test_what_has_happened_is_not_sent_again(peer: Shop, shop: str) -> None:
    run_id, peer.dies = uuid4(), "behind"
    with pytest.raises(Unknown) as caught:
        attempt(shop, ASKING, run_id=run_id)

    output = attempt(shop, ASKING, run_id=run_id)

    call = call_of(run_id)
    assert caught.value.repeatable
    assert isinstance(output, dict)
    assert (output["status"], output["body"]) == (200, {"id": "ch_1"})
    assert len(peer.charges) == 1
    assert peer.asked == [str(call.key)]
    assert (call.outcome, call.happened, call.settled_by, call.attempts, call.look_ups) == (
        "settled",
        True,
        "look_up",
        1,
        1,
    )
    (event,) = [one for one in audit.events_for(str(run_id)) if one.kind == "call.settled"]
    payload = orjson.loads(event.payload)
    assert (payload["how"], payload["found"], payload["before"]) == ("look_up", "happened", "unknown")


@pytest.mark.usefixtures("each_way")
def test_what_did_not_happen_is_sent(peer: Shop, shop: str) -> None:
    run_id, peer.dies = uuid4(), "before"
    with pytest.raises(Unknown):
        attempt(shop, ASKING, run_id=run_id)

    attempt(shop, ASKING, run_id=run_id)

    call = call_of(run_id)
    assert len(peer.charges) == 1
    assert (call.outcome, call.happened, call.attempts, call.look_ups) == ("succeeded", True, 2, 1)


@pytest.mark.usefixtures("each_way")
def test_nothing_is_sent_while_it_cannot_be_looked_up(peer: Shop, shop: str) -> None:
    run_id, peer.dies, peer.answers_look_ups = uuid4(), "behind", False
    with pytest.raises(Unknown):
        attempt(shop, ASKING, run_id=run_id)

    with pytest.raises(Unavailable, match="cannot be looked up now"):
        attempt(shop, ASKING, run_id=run_id)

    assert len(peer.charges) == 1
    assert (call_of(run_id).outcome, call_of(run_id).attempts) == ("unknown", 1)


@pytest.mark.usefixtures("each_way")
@pytest.mark.parametrize("found", ["response.body.nothing.of.it", "response.body.data"])
def test_nothing_is_sent_when_the_answer_says_neither(peer: Shop, shop: str, found: str) -> None:
    run_id, peer.dies = uuid4(), "behind"
    inputs = {**ASKING, "look_up": {**LOOK_UP, "found": found}}
    with pytest.raises(Unknown):
        attempt(shop, inputs, run_id=run_id)

    with pytest.raises(Unknown, match="settle the call") as caught:
        attempt(shop, inputs, run_id=run_id)

    assert not caught.value.repeatable
    assert len(peer.charges) == 1
    assert (call_of(run_id).outcome, call_of(run_id).look_ups) == ("unknown", 1)


def test_without_an_expression_the_status_says_it(httpserver: HTTPServer, shop: str) -> None:
    httpserver.expect_request("/charges", method="POST").respond_with_data("it broke", status=500)
    httpserver.expect_oneshot_request("/charges/7", method="GET").respond_with_data("", status=404)
    httpserver.expect_oneshot_request("/charges/7", method="GET").respond_with_json({"id": 7})
    inputs = {**BLIND, "look_up": {"path": "/charges/7"}}
    run_id = uuid4()

    for _ in range(2):
        with pytest.raises(Unknown):
            attempt(shop, inputs, run_id=run_id)
    output = attempt(shop, inputs, run_id=run_id)

    assert isinstance(output, dict)
    assert output["body"] == {"id": 7}
    assert (call_of(run_id).attempts, call_of(run_id).look_ups) == (2, 2)


def test_lost_worker_is_followed_by_a_look_up_and_no_second_call(peer: Shop, shop: str) -> None:
    run_id = driving.begin(charge(shop, ASKING), output={"id": "${{ steps.charge.output.body.id }}"})
    peer.dies = "behind"
    with pytest.raises(Unknown):
        attempt(shop, ASKING, run_id=run_id)
    Call.objects.filter(run_id=run_id).update(outcome="sending")
    driving.leave_behind(run_id)

    driving.lose(run_id)
    driving.work(run_id, is_patient=False)

    run = Run.objects.get(id=run_id)
    assert (run.state, run.output) == ("succeeded", {"id": "ch_1"})
    assert len(peer.charges) == 1
    assert (call_of(run_id).outcome, call_of(run_id).settled_by) == ("settled", "look_up")


def test_nothing_is_sent_beside_an_attempt_that_may_be_under_way(peer: Shop, shop: str) -> None:
    run_id, peer.dies = uuid4(), "before"
    with pytest.raises(Unknown):
        attempt(shop, ASKING, run_id=run_id)
    until = timezone.now() + timedelta(seconds=30)
    Call.objects.filter(run_id=run_id).update(outcome="sending", until_at=until)

    with pytest.raises(Postponed) as caught:
        attempt(shop, ASKING, run_id=run_id)

    assert (caught.value.reason, caught.value.object_name) == ("settling", str(call_of(run_id).key))
    assert 20 < caught.value.delay_s <= 30
    assert peer.charges == []


def test_step_waits_for_its_call_and_says_so(peer: Shop, shop: str) -> None:
    run_id = driving.begin(charge(shop, ASKING))
    peer.dies = "before"
    with pytest.raises(Unknown):
        attempt(shop, ASKING, run_id=run_id)
    until = timezone.now() + timedelta(seconds=30)
    Call.objects.filter(run_id=run_id).update(outcome="sending", until_at=until)
    driving.leave_behind(run_id)

    driving.lose(run_id)
    driving.work(run_id)

    assert driving.waits_for(run_id) == ("waiting", "settling")
    assert list(Attempt.objects.filter(run_id=run_id).values_list("kind", flat=True)) == ["lost"]


@pytest.mark.parametrize(
    ("look_up", "path"),
    [
        ({"path": "/x", "found": "response.body +"}, "$.steps.charge.with.look_up.found"),
        ({"path": "/x", "found": "input.order == 1"}, "$.steps.charge.with.look_up.found"),
        ({"path": "/x", "body": "${{ response.body }}"}, "$.steps.charge.with.look_up.body"),
        ({"method": "POST", "path": "/x"}, "$.steps.charge.with.look_up.method"),
    ],
)
def test_wrong_look_up_is_refused_when_published(look_up: Mapping[str, object], path: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        driving.publish(charge("shop", {**BLIND, "look_up": look_up}))

    assert {problem.path for problem in caught.value.problems} == {path}
