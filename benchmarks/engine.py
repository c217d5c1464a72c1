"""Our side of every row: publish, start runs as an application would, and see when they have ended."""

import os
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from uuid import UUID

import psycopg
from django.utils import timezone

from audit.events import Actor, ActorKind
from benchmarks import definitions
from workflows import operations
from workflows.core.definition import JsonValue

ACTOR = Actor(kind=ActorKind.SYSTEM, id="benchmarks")
_LIMIT_S = 180.0


class RunsFailed(Exception):
    """Runs did not all succeed, so that their time means nothing."""


def publish() -> None:
    """This will publish the measured workflows, and make the limit that one of them needs."""
    operations.set_limit(name=definitions.LIMIT_NAME, capacity=definitions.LIMIT_SLOTS, actor=ACTOR, now=timezone.now())
    for source in definitions.sources():
        operations.publish(source=source, actor=ACTOR, now=timezone.now())


def start(workflow: str, *, value: JsonValue = None) -> UUID:
    """This will start one run, durably, with its audit event."""
    wanted = operations.Start(input=value)
    started = operations.start_run(workflow=workflow, start=wanted, actor=ACTOR, now=timezone.now())
    return started.run_id


class Pace:
    """How long a measured run takes at least, learned from those before, so that nobody looks too early."""

    _SHARE = 0.8

    def __init__(self) -> None:
        self._shortest_s: float | None = None

    @property
    def rest_s(self) -> float:
        """This will be how long there is nothing to see."""
        return 0.0 if self._shortest_s is None else self._shortest_s * self._SHARE

    def learn(self, seconds: float) -> None:
        """This will take one run into account."""
        self._shortest_s = seconds if self._shortest_s is None else min(self._shortest_s, seconds)


class Watch:
    """Sees when runs have ended, over a connection of its own, with the cheapest possible queries."""

    def __init__(self, *, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def wait_until_all_ended(self, *, every_s: float, rest_s: float = 0.0) -> None:
        """This will return when no run is under way. Raises RunsFailed when that takes too long.

        It does not look for the first `rest_s`: looking takes processor time from what is measured.
        """
        time.sleep(rest_s)
        query = "select exists (select from workflows_run where state = 'running')"
        deadline = time.monotonic() + _LIMIT_S
        while self._one(query):
            if time.monotonic() > deadline:
                raise RunsFailed(f"runs were still under way after {_LIMIT_S:.0f} s")
            time.sleep(every_s)

    def check(self, *, steps: int, since: Sequence[UUID]) -> None:
        """This will raise RunsFailed unless these runs succeeded with `steps` steps each, all of them audited."""
        runs = [*since]
        states = "select count(*) from workflows_run where id = any(%s) and state = 'succeeded'"
        rows = "select count(*) from workflows_step where run_id = any(%s) and state = 'succeeded'"
        events = "select count(*) from audit_event where subject_id = any(%s)"
        found = (self._one(states, runs), self._one(rows, runs), self._one(events, [str(run) for run in runs]))
        least = (len(runs), len(runs) * steps, len(runs) * (steps + 2))
        if found[:2] != least[:2] or found[2] < least[2]:
            raise RunsFailed(f"runs, steps, audit events: {found}; expected {least}")

    def outputs_when_there(self, runs: Sequence[UUID]) -> dict[UUID, float]:
        """This will wait for the only step of each run, and give what it returned. Raises RunsFailed after a while."""
        deadline = time.monotonic() + _LIMIT_S
        while len(found := self.outputs(runs)) < len(runs):
            if time.monotonic() > deadline:
                raise RunsFailed(f"{len(runs) - len(found)} runs have no step after {_LIMIT_S:.0f} s")
            time.sleep(0.05)
        return found

    def outputs(self, runs: Sequence[UUID]) -> dict[UUID, float]:
        """This will give what the only step of each run returned."""
        query = "select run_id, output::text::float8 from workflows_step where run_id = any(%s)"
        return dict(self._connection.execute(query, [[*runs]]).fetchall())

    def _one(self, query: str, *params: object) -> int:
        row = self._connection.execute(query, params, prepare=True).fetchone()
        return int(row[0]) if row else 0


def watch() -> Watch:
    """This will open a watch on the measured database."""
    return Watch(url=os.environ["DATABASE_URL"])


def warm_up(watch: Watch, *, workflow: str, runs: int, value: JsonValue = None) -> None:
    """This will run a workflow until processes, plans and caches are as they stay."""
    for _ in range(runs):
        start(workflow, value=value)
        watch.wait_until_all_ended(every_s=0.002)
