"""One attack from the first process to the verdict: sets the stage, drives load and faults, waits, gathers, judges."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from django.db import connections
from django.utils import timezone

from audit import queries as audit
from audit.events import Actor, ActorKind
from automation import operations as automation
from integrations import operations as integrations
from integrations.connections import ConnectionSpec
from tests.chaos import gathering, laws, script, settling, workloads
from tests.chaos import tally as figures
from tests.chaos.attack import Attack
from tests.chaos.book import Book
from tests.chaos.clients import business, senders, timetable
from tests.chaos.clients.api import ApiClient
from tests.chaos.clients.load import Load
from tests.chaos.clients.people import People, settle_in
from tests.chaos.clients.repairs import Repairs
from tests.chaos.clients.senders import Senders
from tests.chaos.laws.law import Breach
from tests.chaos.recovery import Outage
from tests.chaos.stage import Stage, opened
from tests.chaos.tally import Course, Tally
from tests.chaos.watch import Watch
from tests.chaos.workloads.limits import CAPACITY, LIMIT
from tests.chaos.workloads.workload import CONNECTION, Scene
from workflows import operations as workflows

STILL_LIMIT_S = 60.0
"""When load and faults have ended and every process works again, something must move at least so often ..."""
SETTLE_LIMIT_S = 600.0
"""... and all runs must have ended after so long."""
_POLL_S = 0.2
_WIPED = "rabbitmq wiped"
_ACTOR = Actor(kind=ActorKind.SYSTEM, id="chaos")
_SCOPES = ("runs:write", "runs:read", "dead_letters:write", "answers:write")
_REQUEUED = tuple(workload.name for workload in workloads.ALL if workload.requeues)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures of an attack, and every breach of every law."""

    tally: Tally
    breaches: Mapping[str, Sequence[Breach]]


def run(
    *, seed: int, seconds: float, kinds: Sequence[script.Kind], tell: Callable[[str], None], logs: Path | None = None
) -> Verdict:
    """This will attack a platform of its own for so long, let it settle, and judge. The database must be empty.

    The logs of its processes are copied to the folder `logs` if there is one.
    """
    plan = script.write(seed=seed, seconds=seconds, kinds=kinds)
    business.prepare()
    book = Book()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, opened(directory=Path(folder), seed=seed) as stage:
        scene = Scene(ledger=Path(folder) / "ledger", gates=Path(folder) / "gates")
        scene.gates.mkdir()
        _furnish(stage, scene=scene)
        watch = Watch(url=os.environ["DATABASE_URL"])
        course = _perform(plan, stage=stage, scene=scene, book=book, watch=watch, tell=tell)
        evidence = gathering.gather(
            book=book,
            scene=scene,
            gateway_ledger=stage.gateway.ledger_path,
            watch=watch,
            wiped_at=_wiped_at(course.outages),
        )
        if logs is not None:
            shutil.copytree(folder, logs / str(seed), ignore=shutil.ignore_patterns("gates"), dirs_exist_ok=True)
    breaches = laws.judge(evidence)
    return Verdict(tally=figures.tally(course, evidence=evidence, breaches=breaches), breaches=breaches)


def _furnish(stage: Stage, *, scene: Scene) -> None:
    """Publish every workload, and connect the gateway through the network that will be struck."""
    now = timezone.now()
    gateway = ConnectionSpec(
        name=CONNECTION, base_url=stage.network.url("gateway"), allow_private=True, read_timeout_s=2.0
    )
    integrations.save_connection(spec=gateway, actor=_ACTOR, now=now, correlation_id="chaos")
    workflows.set_limit(name=LIMIT, capacity=CAPACITY, actor=_ACTOR, now=now)
    settle_in()
    senders.connect(actor=_ACTOR)
    for workload in workloads.ALL:
        workflows.publish(source=orjson.dumps(workload.document(scene)).decode(), actor=_ACTOR, now=now)


def _perform(
    plan: script.Script, *, stage: Stage, scene: Scene, book: Book, watch: Watch, tell: Callable[[str], None]
) -> Course:
    token, is_over = _token(), threading.Event()
    api = ApiClient(port=stage.web_port, token=token, book=book, is_over=is_over.is_set)
    patient_api = ApiClient(port=stage.web_port, token=token, book=book, is_over=lambda: False)
    load = Load(script=plan, workloads=workloads.ALL, book=book, api=api)
    repairs = Repairs(workloads=_REQUEUED, scene=scene, api=patient_api, book=book)
    people = People(api=patient_api)
    hooks = Senders(port=stage.hook_port, seed=plan.seed, book=book)
    attack = Attack(script=plan, stage=stage, tell=tell)
    stage.wait_until_ready()
    timetable.begin(seconds=plan.seconds, actor=_ACTOR, book=book)
    for part in (watch, load, hooks, repairs, people, attack):
        part.start()
    try:
        _wait(seconds=plan.seconds, stage=stage)
    finally:
        is_over.set()
        load.stop()
        hooks.stop()
        attack.join()
        settled_s = _settle(stage, book=book, outages=attack.outages)
        repairs.stop()
        people.stop()
        watch.stop()
    return Course(
        seed=plan.seed, seconds=plan.seconds, outages=attack.outages, settled_s=settled_s, deaths=stage.deaths
    )


def _wait(*, seconds: float, stage: Stage) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        stage.revive()
        time.sleep(_POLL_S)


def _settle(stage: Stage, *, book: Book, outages: Sequence[Outage]) -> float:
    """Wait until nothing is open any more, or for as long as is allowed; gives how long it took."""
    connections.close_all()  # this process's own may have been cut by a fault
    stage.wait_until_ready()
    wiped_at = _wiped_at(outages)
    began = moved = time.monotonic()
    latest = audit.latest_id()
    while time.monotonic() - began < SETTLE_LIMIT_S and time.monotonic() - moved < STILL_LIMIT_S:
        stage.revive()
        if audit.latest_id() != latest:
            latest, moved = audit.latest_id(), time.monotonic()
        if settling.is_settled(book=book, requeued=_REQUEUED, wiped_at=wiped_at):
            break
        time.sleep(_POLL_S)
    return time.monotonic() - began


def _wiped_at(outages: Sequence[Outage]) -> Sequence[datetime]:
    return [outage.until for outage in outages if outage.name == _WIPED]


def _token() -> str:
    now = timezone.now()
    _, plain = automation.create_token(
        name="chaos", scopes=_SCOPES, expires_at=now + timedelta(days=1), actor=_ACTOR, now=now
    )
    return plain
