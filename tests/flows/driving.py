"""Drives the engine from a test: publishes, starts, and does in this process what workers do, without a broker."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from audit import queries as audit
from audit.events import Actor, ActorKind
from tests.support.waiting import wait_until
from workflows import due, operations, store
from workflows.core.definition import JsonValue
from workflows.core.outcome import NEVER
from workflows.execution import shift
from workflows.models import Activation, Item, Run, Step
from workflows.store import GATES, ActivationRef

TESTER = Actor(kind=ActorKind.SYSTEM, id="test")
AT_ONCE: Mapping[str, object] = {"attempts": 3, "first": "0s", "jitter": "none"}
"""A retry policy without delays."""
_MAX_ROUNDS = 1_000
_FAR = NEVER - timedelta(days=1)


def call(name: str, **more: object) -> dict[str, object]:
    """This will be a step that calls one of the functions of `tests.flows`; `args` are its arguments."""
    inputs = {"call": f"flows.{name}", "args": more.pop("args", {})}
    return {"uses": "python", "with": inputs, **more}


def publish(steps: Mapping[str, object], **more: object) -> str:
    """This will publish a workflow of these steps under a name of its own, and give the name."""
    name = f"test-{uuid4().hex[:12]}"
    source = orjson.dumps({"name": name, "steps": steps, **more}).decode()
    operations.publish(source=source, actor=TESTER, now=timezone.now())
    return name


def start(workflow: str, *, value: JsonValue = None, **more: object) -> UUID:
    """This will start a run with an input, and give its id."""
    wanted = operations.Start(input=value, **more)  # type: ignore[arg-type]  # the fields of Start, by name
    return operations.start_run(workflow=workflow, start=wanted, actor=TESTER, now=timezone.now()).run_id


def begin(steps: Mapping[str, object], *, value: JsonValue = None, **more: object) -> UUID:
    """This will publish and start a run of these steps."""
    return start(publish(steps, **more), value=value)


def finish(steps: Mapping[str, object], *, value: JsonValue = None, **more: object) -> Run:
    """This will publish, start and work until nothing waits, not even for a time to come."""
    run_id = begin(steps, value=value, **more)
    work(run_id, is_patient=False)
    return Run.objects.get(id=run_id)


def work(*run_ids: UUID, is_patient: bool = True) -> None:
    """This will do all the work of runs that is due; unless it is patient, also what is due later."""
    for _ in range(_MAX_ROUNDS):
        if not is_patient:
            let_time_pass(*run_ids)
        refs = claimable(*run_ids)
        if not refs:
            return
        for batch in _messages(refs):
            shift.execute(batch)
    raise AssertionError(f"still not done after {_MAX_ROUNDS} wake-ups: {run_ids}")


def _messages(refs: Sequence[ActivationRef]) -> Sequence[Sequence[ActivationRef]]:
    """What was lost goes alone, as the dispatcher sends it; the rest shares a wake-up."""
    rows = Activation.objects.filter(run_id__in={ref.run_id for ref in refs}).exclude(owner="")
    lost = {ActivationRef(*row) for row in rows.values_list("run_id", "segment", "slot")}
    shared = [ref for ref in refs if ref not in lost]
    return [*([ref] for ref in refs if ref in lost), *([shared] if shared else [])]


def claimable(*run_ids: UUID) -> Sequence[ActivationRef]:
    """This will name the activations that a worker would be given now."""
    due = Activation.objects.filter(run_id__in=run_ids).filter(Q(state="ready") | Q(due_at__lte=Now()))
    due = due.exclude(wait_reason__in=GATES)
    return [ActivationRef(*row) for row in due.order_by("id").values_list("run_id", "segment", "slot")]


def take_due(lane: str = "default") -> None:
    """This will take what is due in a lane, as a dispatcher does, and send nothing."""
    asks = [due.Ask(lane=lane, room=500)]
    due.take_due(asks=asks, leads=[], groups=64, ageing_s=10.0, again_s=15.0, again_cap_s=600.0)


def let_time_pass(*run_ids: UUID) -> None:
    """This will make timers due: of retries, of items, and of nothing that a worker holds.

    What is parked until a time began so much earlier; what only somebody else wakes stays as it is.
    """
    parked = {"run_id__in": run_ids, "parked_at__isnull": False, "due_at__range": (timezone.now(), _FAR)}
    Activation.objects.filter(**parked).update(begun_at=F("begun_at") - (F("due_at") - Now()))
    Item.objects.filter(**parked).update(started_at=F("started_at") - (F("due_at") - Now()))
    asleep = Activation.objects.filter(run_id__in=run_ids, state="waiting", due_at__lt=_FAR)
    asleep.exclude(wait_reason__in=GATES).update(due_at=Now())
    Item.objects.filter(run_id__in=run_ids, due_at__lt=_FAR).update(due_at=Now())


def let_in(*run_ids: UUID) -> None:
    """This will do what the scheduler does with runs whose time at a gate has come."""
    for run_id in run_ids:
        operations.admit_due(run_id=run_id, now=timezone.now())


def waits_for(run_id: UUID) -> tuple[str, str]:
    """This will give the state and the wait reason of the run's first activation."""
    found = Activation.objects.filter(run_id=run_id).order_by("id").values_list("state", "wait_reason").first()
    assert found is not None, f"run {run_id} has no activation"
    return found


def lose(run_id: UUID) -> None:
    """This will have the leases of a run expire, as after the death of its workers."""
    leased = Activation.objects.filter(run_id=run_id, state="leased")
    assert leased.update(due_at=F("due_at") - timedelta(days=1)), "nobody holds anything of this run"


def leave_behind(run_id: UUID) -> None:
    """This will claim what is due of a run, as a worker that dies before it does anything."""
    store.claim(refs=claimable(run_id), owner="dead worker", lease_s=settings.LEASE_S)


def aside(act: Callable[[], object]) -> threading.Thread:
    """This will do something in a thread of its own with a connection of its own, as another process would."""

    def execute() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=execute, daemon=True)
    thread.start()
    return thread


def wait_for_end(*run_ids: UUID, limit_s: float = 300.0) -> list[Run]:
    """This will give runs, in their order, when real workers have brought all of them to their end."""

    def ended() -> bool:
        return not Run.objects.filter(id__in=run_ids, state="running").exists()

    wait_until(ended, limit_s=limit_s, what=f"{len(run_ids)} runs have ended")
    found = Run.objects.in_bulk(run_ids)
    return [found[run_id] for run_id in run_ids]


def states(run_id: UUID) -> dict[str, str]:
    """This will give the state of each step that has ended."""
    return dict(Step.objects.filter(run_id=run_id).values_list("step", "state"))


def trail(run_id: UUID) -> list[str]:
    """This will give the kinds of the run's audit events, in their order."""
    return list(audit.events_for(str(run_id)).values_list("kind", flat=True))


def trail_of(run_id: UUID, kind: str) -> list[dict[str, object]]:
    """This will give the payloads of the run's audit events of one kind."""
    events = audit.events_for(str(run_id)).filter(kind=kind)
    return [orjson.loads(payload) for payload in events.values_list("payload", flat=True)]
