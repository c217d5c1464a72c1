"""Releases on a real database: who gets a canary, what a promotion and a rollback change, and what they leave alone."""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID, uuid4

import orjson
import pytest
from django.utils import timezone

from audit import queries as audit
from audit.events import Actor, ActorKind
from automation.models import Schedule
from tests.flows.driving import TESTER, call, publish, start, trail, work
from tests.support import api
from workflows import operations, releases
from workflows.core.canary import Rule
from workflows.core.definition import JsonValue
from workflows.errors import InputInvalid, UnknownVersion
from workflows.models import Activation, Gate, Release, Run, Workflow
from workflows.operations import releasing, starting
from workflows.operations.retrying import RetryFrom, RetryWanted
from workflows.release_errors import CanaryInvalid, NoCanary

pytestmark = pytest.mark.usefixtures("database")
HALF = operations.Canary(percent=50)
FAILS = call("fail_on", args={"value": 1, "bad": 1}, retry={"attempts": 1})


def publish_next(name: str, steps: Mapping[str, object], *, canary: operations.Canary | None, **more: object) -> None:
    """This will publish another version of a workflow, for all or for a share."""
    source = orjson.dumps({"name": name, "steps": steps, **more}).decode()
    _, is_new = operations.publish(source=source, actor=TESTER, now=timezone.now(), canary=canary)
    assert is_new


def trial(percent: float = 50, *, rule: Rule | None = None, **more: object) -> str:
    """This will be a workflow whose second version is on trial."""
    name = publish({"only": call("noop")}, **more)
    steps = {"only": call("noop"), "more": call("noop", needs="only")}
    publish_next(name, steps, canary=operations.Canary(percent=percent, rule=rule), **more)
    return name


def version_of(run_id: UUID) -> int:
    """This will give the number of the version a run has."""
    return Run.objects.select_related("version").get(id=run_id).version.number


def release_of(name: str) -> Release:
    """This will read the release of a workflow that is in use."""
    found = releases.find_current(Workflow.objects.get(name=name))
    assert found is not None
    return found


def promote(name: str, *, version: int | None = None) -> Release:
    """This will promote the canary, or a version."""
    return operations.promote(workflow=name, version=version, actor=TESTER, now=timezone.now())


def set_canary(name: str, percent: float, *, version: int | None = None, rule: Rule | None = None) -> Release:
    """This will change the share of a canary, or begin one."""
    canary = operations.Canary(percent=percent, rule=rule)
    return operations.set_canary(workflow=name, canary=canary, version=version, actor=TESTER, now=timezone.now())


def test_same_key_stays_on_its_version_and_a_larger_share_moves_it_forwards_only() -> None:
    name = trial(30)
    keys = [f"customer-{number}" for number in range(40)]
    before = {key: version_of(start(name, correlation_id=key)) for key in keys}
    again = {key: version_of(start(name, correlation_id=key)) for key in keys}
    set_canary(name, 70)
    after = {key: version_of(start(name, correlation_id=key)) for key in keys}

    assert again == before
    assert set(before.values()) == {1, 2}
    assert Counter(after.values())[2] > Counter(before.values())[2]
    assert all(after[key] == 2 for key in keys if before[key] == 2)


def test_many_starts_in_one_call_are_divided_and_begin_together() -> None:
    name = trial()
    starts = [operations.Start(key=f"{name}:{number}") for number in range(30)]

    begun = operations.start_runs(workflow=name, starts=starts, actor=TESTER, now=timezone.now())
    repeated = operations.start_runs(workflow=name, starts=starts, actor=TESTER, now=timezone.now())

    assert {version_of(one.run_id) for one in begun} == {1, 2}
    assert [one.run_id for one in repeated] == [one.run_id for one in begun]
    work(*(one.run_id for one in begun))
    assert set(Run.objects.filter(workflow_name=name).values_list("state", flat=True)) == {"succeeded"}


def test_process_that_remembers_an_old_release_starts_nothing_in_it() -> None:
    name = trial(100)
    assert version_of(start(name)) == 2
    remembered = starting._known[name]
    operations.roll_back(workflow=name, actor=TESTER, now=timezone.now())
    assert version_of(start(name)) == 1
    starting._known[name] = remembered

    assert version_of(start(name)) == 1
    assert starting._known[name] != remembered


def test_promotion_gives_the_canary_to_all_and_rollback_to_nobody() -> None:
    promoted, taken_back = trial(), trial()

    promote(promoted)
    operations.roll_back(workflow=taken_back, actor=TESTER, now=timezone.now(), reason="slow")

    assert {version_of(start(promoted)) for _ in range(10)} == {2}
    assert {version_of(start(taken_back)) for _ in range(10)} == {1}
    assert release_of(taken_back).reason == "slow"
    assert trail_of(promoted)[-1] == "canary.promoted"
    assert trail_of(taken_back)[-1] == "canary.rolled_back"


def test_runs_that_are_under_way_keep_their_version() -> None:
    name = trial(100)
    run_id = start(name)

    operations.roll_back(workflow=name, actor=TESTER, now=timezone.now())
    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert trail(run_id).count("step.succeeded") == 2


def test_saying_the_same_again_changes_nothing() -> None:
    name = trial(20, rule=Rule(10, 5))
    first = release_of(name)
    events = len(trail_of(name))

    assert set_canary(name, 20, rule=Rule(10, 5)).id == first.id
    assert promote(name, version=2).id == promote(name, version=2).id
    with pytest.raises(NoCanary):
        operations.roll_back(workflow=name, actor=TESTER, now=timezone.now())
    assert len(trail_of(name)) == events + 1


def test_changed_share_keeps_the_trial_and_a_new_canary_begins_one() -> None:
    name = trial(20)
    since = release_of(name).canary_since

    assert set_canary(name, 40).canary_since == since
    publish_next(name, {"other": call("noop")}, canary=HALF)

    current = release_of(name)
    assert (current.version.number, current.canary and current.canary.number) == (1, 3)
    assert current.canary_since != since


def test_version_for_all_ends_the_trial() -> None:
    name = trial(20)

    publish_next(name, {"other": call("noop")}, canary=None)

    current = release_of(name)
    assert (current.version.number, current.canary) == (3, None)


def test_earlier_version_can_be_put_back_into_use() -> None:
    name = trial()
    promote(name)

    back = promote(name, version=1)

    assert (back.cause, version_of(start(name))) == ("chosen", 1)
    assert trail_of(name)[-1] == "workflow.version_chosen"


@pytest.mark.parametrize(
    ("canary", "field"),
    [
        (operations.Canary(percent=101), "percent"),
        (operations.Canary(percent=-1), "percent"),
        (operations.Canary(percent=10, rule=Rule(0, 5)), "failed_percent"),
        (operations.Canary(percent=10, rule=Rule(5, 0)), "after_runs"),
    ],
)
def test_canary_that_cannot_be_is_refused(canary: operations.Canary, field: str) -> None:
    name = publish({"only": call("noop")})

    with pytest.raises(CanaryInvalid) as refused:
        publish_next(name, {"other": call("noop")}, canary=canary)

    assert refused.value.field == field
    assert Workflow.objects.get(name=name).latest_number == 1


def test_first_version_cannot_be_a_canary_and_the_one_in_use_neither() -> None:
    with pytest.raises(CanaryInvalid):
        publish_next(f"test-{uuid4().hex[:12]}", {"only": call("noop")}, canary=HALF)
    with pytest.raises(CanaryInvalid):
        set_canary(publish({"only": call("noop")}), 10)
    with pytest.raises(UnknownVersion):
        set_canary(publish({"only": call("noop")}), 10, version=7)


def test_input_is_judged_by_the_version_that_the_start_gets() -> None:
    name = publish({"only": call("noop")}, input={"type": "object", "properties": {"a": {"type": "string"}}})
    strict = {"type": "object", "properties": {"a": {"type": "integer"}}}
    publish_next(name, {"only": call("noop")}, canary=HALF, input=strict)

    texts = {key: _accepts(name, key=key, value={"a": "text"}) for key in map(str, range(20))}
    numbers = {key: _accepts(name, key=key, value={"a": 1}) for key in map(str, range(20))}

    assert set(texts.values()) == {True, False}
    assert all(texts[key] is not numbers[key] for key in texts)


def test_triggers_of_a_canary_count_when_it_is_promoted() -> None:
    name = publish({"only": call("noop")}, on={"schedule": {"cron": "0 8 * * *", "timezone": "UTC"}})
    publish_next(name, {"only": call("noop")}, canary=HALF, on={"schedule": {"cron": "0 9 * * *", "timezone": "UTC"}})
    before = Schedule.objects.get(workflow=name, ended_at=None).rule["cron"]

    promote(name)

    assert (before, Schedule.objects.get(workflow=name, ended_at=None).rule["cron"]) == ("0 8 * * *", "0 9 * * *")


def test_limit_of_the_version_in_use_counts_at_a_gate_while_a_canary_is_under_way() -> None:
    name = publish({"only": call("noop")}, concurrency={"limit": 3})
    publish_next(name, {"only": call("noop")}, canary=HALF, concurrency={"limit": 1})
    keys = [str(number) for number in range(12)]

    runs = {key: start(name, correlation_id=key) for key in keys}

    assert {version_of(run_id) for run_id in runs.values()} == {1, 2}
    assert Gate.objects.get(workflow_name=name).slots == 3
    promote(name)
    start(name)
    assert Gate.objects.get(workflow_name=name).slots == 1


def test_delayed_and_held_starts_keep_the_version_they_were_given() -> None:
    name = trial(50, concurrency={"limit": 1})
    runs = [start(name, correlation_id=str(number)) for number in range(8)]
    given = [version_of(run_id) for run_id in runs]

    promote(name)
    for _ in range(len(runs)):
        work(*runs)

    assert [version_of(run_id) for run_id in runs] == given
    assert set(given) == {1, 2}
    assert not Activation.objects.filter(run_id__in=runs).exists()


def test_sub_workflow_gets_the_version_of_the_correlation_id_of_its_parent() -> None:
    name = trial()
    parent = publish({"child": {"uses": "workflow", "with": {"name": name}}})
    keys = [str(number) for number in range(10)]

    for key in keys:
        work(start(parent, correlation_id=key))

    children = Run.objects.filter(workflow_name=name).select_related("version")
    got = {run.correlation_id: run.version.number for run in children}
    assert got == {key: version_of(start(name, correlation_id=key)) for key in keys}
    assert set(got.values()) == {1, 2}


def test_retry_on_the_newest_version_gets_what_a_start_of_its_key_gets() -> None:
    name = publish({"only": call("noop")})
    runs = {str(number): start(name, correlation_id=str(number)) for number in range(10)}
    work(*runs.values())
    publish_next(name, {"only": call("noop"), "more": call("noop")}, canary=HALF)

    wanted = RetryWanted(start=RetryFrom.START, on_newest=True)
    got = {
        key: operations.retry_run(run_id=run_id, wanted=wanted, actor=TESTER, now=timezone.now()).version
        for key, run_id in runs.items()
    }

    assert got == {key: version_of(start(name, correlation_id=key)) for key in runs}
    assert set(got.values()) == {1, 2}


def test_start_may_say_its_version() -> None:
    name = trial(0)

    assert version_of(start(name, version=2)) == 2
    assert version_of(start(name)) == 1
    with pytest.raises(UnknownVersion):
        start(name, version=3)


def test_figures_stand_beside_each_other() -> None:
    name = publish({"only": call("noop")})
    work(start(name))
    publish_next(name, {"only": FAILS}, canary=HALF)
    runs = [start(name, correlation_id=str(number)) for number in range(12)]
    work(*runs[:10])

    found = releases.trial_of(release_of(name))

    assert found is not None
    versions = Counter(version_of(run_id) for run_id in runs)
    assert (found.stable.runs, found.canary.runs) == (versions[1], versions[2])
    assert found.stable.succeeded + found.canary.failed == 10
    assert found.canary.failed_percent == 100
    assert found.stable.median_s is not None


def test_rule_rolls_back_by_itself_once_enough_have_failed() -> None:
    name = publish({"only": call("noop")})
    publish_next(
        name,
        {"only": FAILS},
        canary=operations.Canary(percent=100, rule=Rule(failed_percent=50, after_runs=3)),
    )
    for _ in range(2):
        work(start(name))
    releasing.sweep(now=timezone.now())
    assert release_of(name).canary is not None
    work(start(name))

    assert releasing.sweep(now=timezone.now()) >= 1

    current = release_of(name)
    assert (current.cause, current.began_by, current.canary) == ("rolled_back", str(Actor(kind=ActorKind.ENGINE)), None)
    assert current.reason == "3 of 3 runs failed: 100.0 %"
    assert version_of(start(name)) == 1


def test_api_publishes_changes_promotes_and_says_what_is_wrong() -> None:
    client, name = api.client("admin"), f"test-{uuid4().hex[:12]}"
    steps: dict[str, object] = {"only": {"uses": "set", "with": {"a": 1}}}
    document = {"name": name, "steps": steps}
    path = f"/api/v1/workflows/{name}"
    assert client.post("/api/v1/workflows?percent=10", document, format="json").status_code == 422
    client.post("/api/v1/workflows", document, format="json")
    steps["more"] = {"uses": "set", "with": {"a": 2}}
    assert client.post("/api/v1/workflows?percent=many", document, format="json").status_code == 400
    published = client.post("/api/v1/workflows?percent=10", document, format="json")

    assert (published.status_code, published.json()["number"]) == (201, 2)
    listed = client.get(path).json()
    assert (listed["version"], listed["canary"], listed["canary_percent"]) == (1, 2, 10)
    half_a_rule = client.put(f"{path}/canary", {"percent": 25, "failed_percent": 5}, format="json")
    assert (half_a_rule.status_code, half_a_rule.json()["type"]) == (400, "urn:problem-type:automation:request-invalid")
    changed = client.put(f"{path}/canary", {"percent": 25, "failed_percent": 5, "after_runs": 50}, format="json")
    assert (changed.status_code, changed.json()["canary_percent"], changed.json()["trial"]["canary"]["runs"]) == (
        200,
        25,
        0,
    )
    begun = client.post("/api/v1/runs", {"workflow": name, "version": 2}, format="json")
    assert client.get(f"{path}/release").json()["trial"]["canary"]["runs"] == 1
    assert version_of(UUID(begun.json()["id"])) == 2
    promoted = client.post(f"{path}/promote", {"reason": "good"}, format="json")
    assert (promoted.json()["version"], promoted.json()["canary"], promoted.json()["trial"]) == (2, None, None)
    refused = client.post(f"{path}/rollback", {}, format="json")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:problem-type:automation:no-canary")
    causes = [one["cause"] for one in client.get(f"{path}/releases").json()["results"]]
    assert causes == ["promoted", "canary_changed", "canary_begun", "published"]


def trail_of(name: str) -> list[str]:
    """This will give the kinds of a workflow's audit events, in their order."""
    events = audit.events_for(name).filter(subject_type="workflow")
    return list(events.values_list("kind", flat=True))


def _accepts(name: str, *, key: str, value: JsonValue) -> bool:
    try:
        start(name, correlation_id=key, value=value)
    except InputInvalid:
        return False
    return True
