"""Why a run waits: the reason with its object, what would end it, who is ahead, on every surface."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import orjson
import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.flows.driving import TESTER, begin, call, claimable, publish, start, take_due, work
from tests.support import api
from workflows import explaining, operations, queries, store
from workflows.execution import shift
from workflows.models import Activation

pytestmark = pytest.mark.usefixtures("database")
LATER: Mapping[str, object] = {"attempts": 3, "first": "60s", "cap": "60s", "jitter": "none"}


def why(run_id: UUID) -> explaining.Explanation:
    """This will explain a run."""
    return explaining.explain(queries.get_run(run_id=run_id))


def test_run_that_waits_for_a_worker_names_the_lane_and_what_comes_behind() -> None:
    found = why(begin({"first": call("noop"), "second": call("noop", needs="first")}))

    (reason,) = found.reasons
    assert found.summary == "first waits for a worker of the lane default"
    assert (reason.reason, reason.object_kind, reason.object_name) == ("worker", "lane", "default")
    assert (reason.until, reason.is_running) == (None, False)
    assert len(reason.ahead) == 1
    assert [(one.step, one.waits_for) for one in found.behind] == [("second", ["first"])]


def test_run_between_attempts_says_when_the_next_one_begins() -> None:
    run_id = begin({"ask": call("fail_until", args={"attempt": 2}, retry=LATER)})
    work(run_id)

    (reason,) = why(run_id).reasons

    assert (reason.reason, reason.says) == ("retry", "waits for attempt 2 of 3")
    assert reason.until == Activation.objects.get(run_id=run_id).due_at


def test_line_of_a_limit_names_position_holders_and_those_ahead() -> None:
    limit = f"why-{publish({'only': call('noop')})}"
    operations.set_limit(name=limit, capacity=0, description="", actor=TESTER, now=timezone.now())
    workflow = publish({"book": call("noop", limits=[limit])})
    first, second = start(workflow), start(workflow)
    for run_id in (first, second):
        shift.execute(claimable(run_id))

    (reason,) = why(second).reasons

    assert (reason.object_kind, reason.object_name, reason.position) == ("limit", limit, 2)
    assert reason.ahead == [f"run {first} is before it in line at book"]
    assert "place 2 in line; 0 of 0 slots are held" in reason.says


def test_pullers_of_a_for_each_are_one_reason() -> None:
    run_id = begin({"each": call("noop", for_each=[1, 2, 3], parallel=3)})
    take_due()
    refs = [ref for ref in claimable(run_id) if ref.slot == 0]
    claims = shift.store.claim(refs=refs, owner="somebody:1", lease_s=60)
    Activation.objects.filter(id__in=[claim.id for claim in claims]).update(wait_object="")
    Activation.objects.bulk_create(
        Activation(
            run_id=run_id,
            version_id=claims[0].version_id,
            segment=claims[0].segment,
            slot=slot,
            due_at=timezone.now(),
            lane="default",
            created_at=timezone.now(),
        )
        for slot in (1, 2)
    )

    assert {(one.reason.value, one.count) for one in why(run_id).reasons} == {("running", 1), ("worker", 2)}


def test_ended_run_waits_for_nothing_and_says_how_it_ended() -> None:
    run_id = begin({"ask": call("fail_until", args={"attempt": 9}, retry={"attempts": 1})})
    work(run_id)

    found = why(run_id)

    assert (found.reasons, found.behind) == ([], ())
    assert found.summary.startswith("it has failed: ")


def test_api_and_command_line_tell_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    run_id = begin({"first": call("noop")})

    told = api.client("runs:read").get(f"/api/v1/runs/{run_id}/why")
    call_command("automation", "why", str(run_id), "--json")
    written = orjson.loads(capsys.readouterr().out)

    assert told.status_code == 200
    assert told.data["summary"] == written["summary"] == "first waits for a worker of the lane default"
    assert told.data["reasons"][0]["ends_when"] == "a worker of the lane default takes it"
    assert set(written["reasons"][0]) == set(told.data["reasons"][0])


def test_why_of_an_unknown_run_is_a_problem() -> None:
    answer = api.client("runs:read").get(f"/api/v1/runs/{UUID(int=1)}/why")

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:problem-type:automation:run-unknown")


def test_open_runs_have_reasons_wherever_they_stand() -> None:
    ready = begin({"first": call("noop")})
    retrying = begin({"ask": call("fail_until", args={"attempt": 2}, retry=LATER)})
    delayed = start(publish({"first": call("noop")}), start_at=timezone.now() + timedelta(hours=1))
    leased = begin({"first": call("noop"), "second": call("noop", needs="first")})
    work(retrying)
    store.claim(refs=claimable(leased), owner="elsewhere:1", lease_s=60)

    found = [[reason.reason.value for reason in why(run_id).reasons] for run_id in (ready, retrying, delayed, leased)]

    assert found == [["worker"], ["retry"], ["delayed"], ["running"]]
