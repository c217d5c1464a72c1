"""Probes say the truth about real processes: what stands still, what is not consumed, which store is away."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from celery import current_app
from kombu import Connection

from automation import pulse
from tests.flows.driving import begin, call
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.environment import ROOT
from tests.support.processes import Processes
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until

NOT_READ = "the queue bulk has no consumer at the broker"


class Probe:
    """Asks as Kubernetes would: a process of its own that has nothing but the environment."""

    def __init__(self, directory: Path) -> None:
        self._environment = {**os.environ, "PULSE_DIR": str(directory)}

    def ask(self, question: str, kind: str, *more: str) -> tuple[bool, str]:
        """This will give whether it is well, and what was said."""
        done = subprocess.run(
            [sys.executable, "-m", "config.probe", question, kind, *more],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.returncode == 0, done.stdout

    def wait_for_fault(self, kind: str, text: str, *more: str) -> None:
        """This will return when the process of a kind is called dead for this reason."""

        def is_told() -> bool:
            is_live, said = self.ask("live", kind, *more)
            return not is_live and text in said

        wait_until(is_told, limit_s=60, what=f"{text!r} is told of the {kind}")


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    """This will ask the processes of this test."""
    return Probe(tmp_path)


def test_worker_that_is_frozen_is_not_alive_and_thawed_it_is(worker_processes: Processes, probe: Probe) -> None:
    assert probe.ask("live", "worker")[0] is False, "nobody is there yet"
    worker = worker_processes.start_worker(env=HASTY)
    wait_until(lambda: probe.ask("live", "worker")[0], what="the worker is alive")

    worker.pause()
    probe.wait_for_fault("worker", "loop has stood still", "--patience", "2")
    worker.resume()

    wait_until(lambda: probe.ask("live", "worker", "--patience", "5")[0], what="the worker is alive again")
    assert "nothing waits in" in probe.ask("live", "worker")[1]


def test_child_that_is_frozen_in_its_step_shows(
    worker_processes: Processes, probe: Probe, ledger: Ledger, tmp_path: Path
) -> None:
    worker = worker_processes.start_worker(env=HASTY, lanes=["bulk"])
    worker_processes.start_scheduler(env=HASTY)
    gate = tmp_path / "gate"
    begin({"act": {**call("effect", args={"ledger": str(ledger.path), "gate": str(gate)}), "queue": "bulk"}})
    wait_until(lambda: ledger.entries("begin"), what="the step has begun")
    assert probe.ask("live", "worker", "--patience", "5")[0], "a step that waits is no fault"

    (child,) = worker.descendants
    os.kill(child, signal.SIGSTOP)
    probe.wait_for_fault("worker", f"child {child} has work and has been silent", "--patience", "3")
    os.kill(child, signal.SIGCONT)
    gate.touch()

    wait_until(lambda: probe.ask("live", "worker", "--patience", "5")[0], what="the worker is alive again")


def test_lane_that_lost_its_consumer_shows(database: None, probe: Probe, tmp_path: Path) -> None:
    """A process goes on and says that it reads a lane, and the broker knows nothing of it."""
    own = pulse.Pulse(kind="worker", directory=tmp_path)
    own.show({"lanes": {"bulk": [0, 0.0]}, "room": 1})
    own.beat(pulse.LOOP, rest_s=60)
    with Connection(os.environ["BROKER_URL"]) as link:
        current_app.amqp.queues["bulk"](link.channel()).declare()

    assert probe.ask("live", "worker") == (False, f"process ({os.getpid()}): {NOT_READ}\n")
    own.close()
    assert "no worker shows a pulse" in probe.ask("live", "worker")[1]


def test_lane_whose_queue_was_deleted_is_read_again(worker_processes: Processes, probe: Probe) -> None:
    worker_processes.start_worker(env=HASTY, lanes=["bulk"])
    with Connection(os.environ["BROKER_URL"]) as link, link.channel() as channel:
        channel.queue_delete("bulk")

    wait_until(lambda: _consumers("bulk"), limit_s=60, what="the lane is read again")
    assert probe.ask("live", "worker")[0]


def test_scheduler_whose_process_is_frozen_is_not_alive(worker_processes: Processes, probe: Probe) -> None:
    scheduler = worker_processes.start_scheduler(env=HASTY)
    worker_processes.start_io_worker(env=HASTY)
    wait_until(lambda: probe.ask("live", "scheduler")[0], what="the scheduler is alive")
    wait_until(lambda: probe.ask("live", "io")[0], what="the I/O worker is alive")
    assert probe.ask("live", "worker")[0] is False, "it is another kind"

    scheduler.pause()
    probe.wait_for_fault("scheduler", "dispatch has stood still", "--patience", "3")
    scheduler.resume()

    wait_until(lambda: probe.ask("live", "scheduler", "--patience", "3")[0], what="it is alive again")


def test_stores_that_are_away_make_nobody_dead_and_not_everybody_unready(
    worker_processes: Processes, probe: Probe, servers: RemoteServers
) -> None:
    worker_processes.start_worker(env=HASTY, lanes=["bulk"])
    worker_processes.start_scheduler(env=HASTY)
    wait_until(lambda: probe.ask("live", "worker")[0], what="the worker is alive")

    servers.redis.stop()
    assert _said(probe, "ready", "worker") == (True, "redis: cannot be reached")
    servers.redis.start()
    servers.postgres.stop()
    assert _said(probe, "ready", "scheduler") == (False, "database: cannot be reached")
    assert probe.ask("live", "scheduler")[0] is True
    servers.postgres.start()
    servers.rabbitmq.stop()
    assert _said(probe, "ready", "worker") == (False, "broker: cannot be reached")
    assert probe.ask("live", "worker")[0] is True
    servers.rabbitmq.start()

    assert _said(probe, "ready", "worker") == (True, "")


def _said(probe: Probe, question: str, kind: str) -> tuple[bool, str]:
    is_well, said = probe.ask(question, kind)
    return is_well, ", ".join(line for line in said.splitlines() if "cannot be reached" in line)


def _consumers(queue: str) -> int:
    with Connection(os.environ["BROKER_URL"]) as link, link.channel() as channel:
        try:
            return int(channel.queue_declare(queue=queue, passive=True).consumer_count)
        except link.channel_errors:
            return 0
