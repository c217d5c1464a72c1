"""Probes say the truth about real processes: what stands still, what is not consumed, which store is away.

All tests ask about the same few processes: a worker of one lane, an I/O worker, a scheduler, an intake and a receiver.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from celery import current_app
from kombu import Connection

from automation import pulse
from automation.liveness import Vitals
from config import probe as program
from config.servers.guard import Guard
from config.servers.ports import free_port
from tests.flows.driving import begin, call
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.environment import ROOT
from tests.support.processes import Processes, TestedProcess
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until

NOT_READ = "the queue critical has no consumer at the broker"


class Probe:
    """Asks about the processes that show their pulse in a folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._pulses = {"PULSE_DIR": str(directory)}

    def ask(self, question: str, kind: str, *more: str) -> tuple[bool, str]:
        """This will give whether it is well, and what was said."""
        said = io.StringIO()
        with patch.dict(os.environ, self._pulses), contextlib.redirect_stdout(said):
            code = program.main([question, kind, *more])
        return code == 0, said.getvalue()

    def ask_from_outside(self, question: str, kind: str) -> tuple[bool, str]:
        """This will ask as Kubernetes would: a process of its own that has nothing but the environment."""
        done = subprocess.run(
            [sys.executable, "-m", "config.probe", question, kind],
            cwd=ROOT,
            env={**os.environ, **self._pulses},
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

        wait_until(is_told, what=f"{text!r} is told of the {kind}")

    def wait_for_life(self, kind: str, *more: str) -> None:
        """This will return when the process of a kind is called alive."""
        wait_until(lambda: self.ask("live", kind, *more)[0], what=f"the {kind} is alive")


@dataclass(frozen=True, slots=True)
class Staff:
    """The processes that are asked about."""

    worker: TestedProcess
    scheduler: TestedProcess
    receiver: TestedProcess
    intake: TestedProcess
    port: int
    probe: Probe


@pytest.fixture(scope="module")
def staff(database: None, guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    """This will be one process of each kind, all of them alive."""
    directory = tmp_path_factory.mktemp("staff")
    processes = Processes(directory=directory, guard=guard)
    worker = processes.start_worker(env=HASTY, lanes=["bulk"], wait=False)
    processes.start_io_worker(env=HASTY, wait=False)
    port = free_port()
    staff = Staff(
        worker=worker,
        scheduler=processes.start_scheduler(env=HASTY, wait=False),
        receiver=processes.start_receiver(env=HASTY, wait=False),
        intake=processes.start_intake(port=port, env=HASTY, wait=False),
        port=port,
        probe=Probe(directory),
    )
    for kind in ("worker", "io", "scheduler", "receiver"):
        staff.probe.wait_for_life(kind)
    staff.probe.wait_for_life("intake", "--port", str(port))
    wait_until(lambda: "nothing waits in bulk" in staff.probe.ask("live", "worker")[1], what="it shows its lane")
    yield staff
    processes.end()


def test_process_is_asked_from_outside(staff: Staff, tmp_path: Path) -> None:
    assert staff.probe.ask_from_outside("live", "worker") == (True, "1 worker: going on, nothing waits in bulk\n")
    assert staff.probe.ask("live", "scheduler") == (True, "1 scheduler: going on\n")
    assert Probe(tmp_path).ask_from_outside("live", "worker")[0] is False, "nobody is there"


def test_worker_that_is_frozen_is_not_alive_and_thawed_it_is(staff: Staff) -> None:
    staff.worker.pause()
    staff.probe.wait_for_fault("worker", "loop has stood still", "--patience", "2")
    staff.worker.resume()

    staff.probe.wait_for_life("worker", "--patience", "5")


def test_child_that_is_frozen_in_its_step_shows(staff: Staff, ledger: Ledger, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    begin({"act": {**call("effect", args={"ledger": str(ledger.path), "gate": str(gate)}), "queue": "bulk"}})
    wait_until(lambda: ledger.entries("begin"), what="the step has begun")
    assert staff.probe.ask("live", "worker", "--patience", "5")[0], "a step that waits is no fault"

    (child,) = staff.worker.descendants
    wait_until(lambda: str(child) in _shown(staff).silent, what="the child shows that it keeps its lease")
    os.kill(child, signal.SIGSTOP)
    staff.probe.wait_for_fault("worker", f"child {child} has work and has been silent", "--patience", "3")
    os.kill(child, signal.SIGCONT)
    gate.touch()

    staff.probe.wait_for_life("worker", "--patience", "5")


def test_lane_that_lost_its_consumer_shows(database: None, tmp_path: Path) -> None:
    """A process goes on and says that it reads a lane, and the broker knows nothing of it."""
    probe = Probe(tmp_path)
    own = pulse.Pulse(kind="worker", directory=tmp_path)
    own.show({"lanes": {"critical": [0, 0.0]}, "room": 1})
    own.beat(pulse.LOOP, rest_s=60)
    with Connection(os.environ["BROKER_URL"]) as link:
        current_app.amqp.queues["critical"](link.channel()).declare()

    assert probe.ask("live", "worker") == (False, f"process ({os.getpid()}): {NOT_READ}\n")
    own.close()
    assert "no worker shows a pulse" in probe.ask("live", "worker")[1]


def test_lane_whose_queue_was_deleted_is_read_again(staff: Staff) -> None:
    with Connection(os.environ["BROKER_URL"]) as link, link.channel() as channel:
        channel.queue_delete("bulk")

    wait_until(lambda: _consumers("bulk"), what="the lane is read again")
    assert staff.probe.ask("live", "worker")[0]


def test_scheduler_whose_process_is_frozen_is_not_alive(staff: Staff) -> None:
    staff.scheduler.pause()
    staff.probe.wait_for_fault("scheduler", "dispatch has stood still", "--patience", "3")
    assert staff.probe.ask("live", "io")[0], "it is another kind"
    staff.scheduler.resume()

    staff.probe.wait_for_life("scheduler", "--patience", "3")


def test_receiver_reads_its_queue_again_after_it_was_deleted(staff: Staff) -> None:
    with Connection(os.environ["BROKER_URL"]) as link, link.channel() as channel:
        wait_until(lambda: _consumers("intake"), what="the receiver reads its queue")
        channel.queue_delete("intake")

    wait_until(lambda: _consumers("intake"), what="the queue is read again")
    staff.probe.wait_for_life("receiver")
    assert staff.probe.ask("live", "receiver")[1].startswith("1 receiver: going on, nothing waits in intake")


def test_receiver_and_intake_that_are_frozen_are_not_alive(staff: Staff) -> None:
    port = ("--port", str(staff.port))
    staff.receiver.pause()
    staff.intake.pause()
    staff.probe.wait_for_fault("receiver", "requests has stood still", "--patience", "3")
    assert not staff.probe.ask("live", "intake", *port)[0]
    staff.receiver.resume()
    staff.intake.resume()

    staff.probe.wait_for_life("receiver", "--patience", "3")
    staff.probe.wait_for_life("intake", *port)


def test_receiver_whose_consumer_is_gone_at_the_broker_is_not_alive(database: None, tmp_path: Path) -> None:
    """A process goes on and says that it reads the queue, and the broker knows nothing of it."""
    probe = Probe(tmp_path)
    own = pulse.Pulse(kind="receiver", directory=tmp_path)
    own.show({"lanes": {"intake-of-nobody": [1, 0.0]}, "room": 1})
    own.beat("queue", rest_s=60)

    is_live, said = probe.ask("live", "receiver")
    own.close()

    assert not is_live
    assert "the queue intake-of-nobody has no consumer at the broker" in said


def test_stores_that_are_away_make_nobody_dead_and_not_everybody_unready(staff: Staff, servers: RemoteServers) -> None:
    probe = staff.probe
    servers.redis.stop()
    assert _said(probe, "ready", "worker") == (True, "redis: cannot be reached")
    servers.redis.start()
    servers.postgres.stop()
    assert _said(probe, "ready", "scheduler") == (False, "database: cannot be reached")
    assert probe.ask("live", "scheduler")[0] is True
    assert _intake_is(staff, ready=True), "the broker takes webhooks"
    servers.rabbitmq.stop()
    assert _intake_is(staff, ready=False), "nobody takes webhooks"
    assert probe.ask("live", "receiver")[0] is True
    assert probe.ask("live", "intake", "--port", str(staff.port))[0] is True
    servers.postgres.start()
    assert _said(probe, "ready", "worker") == (False, "broker: cannot be reached")
    assert _said(probe, "ready", "receiver") == (False, "broker: cannot be reached")
    assert probe.ask("live", "worker")[0] is True
    assert _intake_is(staff, ready=True), "the database takes webhooks"
    servers.rabbitmq.start()

    assert _said(probe, "ready", "worker") == (True, "")


def _intake_is(staff: Staff, *, ready: bool) -> bool:
    """What it says may be two seconds old."""
    port = ("--port", str(staff.port))
    wait_until(lambda: staff.probe.ask("ready", "intake", *port)[0] is ready, what="the intake says so")
    return True


def _shown(staff: Staff) -> Vitals:
    (vitals,) = pulse.read(kind="worker", directory=staff.probe.directory)
    return vitals


def _said(probe: Probe, question: str, kind: str) -> tuple[bool, str]:
    is_well, said = probe.ask(question, kind)
    return is_well, ", ".join(line for line in said.splitlines() if "cannot be reached" in line)


def _consumers(queue: str) -> int:
    with Connection(os.environ["BROKER_URL"]) as link, link.channel() as channel:
        try:
            return int(channel.queue_declare(queue=queue, passive=True).consumer_count)
        except link.channel_errors:
            return 0
