"""Nothing that was acknowledged is lost: intake, receiver, broker and database are killed under load."""

import hashlib
import hmac
import http.client
import json
import threading
import time
from uuid import uuid4

import pytest
from amqp.exceptions import AMQPError
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone
from kombu.exceptions import KombuError

from automation.inbound.sources import SourceWanted, save_source
from automation.intake import stores
from automation.intake.envelope import QUEUE
from automation.models import TriggerFiring, WebhookDelivery
from config.servers.ports import free_port
from tests.flows.driving import TESTER, call, publish, start
from tests.support.freezing import frozen_postgres
from tests.support.processes import Processes
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows import due, operations
from workflows.errors import LaneFull
from workflows.models import Event, Run
from workflows.operations import lane_room

SECRET = "a-secret-of-the-scenario"
_PAUSE_S = 0.1
"""So that what comes while a server starts again is not more than can be worked off in the end."""
ENV = {"SCENARIO_HOOK_SECRET": SECRET, "INTAKE_REFRESH_S": "0.5"}


class Sender:
    """Sends signed requests one after the other from a thread, and remembers which were acknowledged.

    What was not is sent again with the same id, as vendors do.
    """

    def __init__(self, *, port: int, source: str) -> None:
        self._port, self._source = port, source
        self._stopping = threading.Event()
        self.acknowledged: set[str] = set()
        self.statuses: list[int] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Sender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(20)

    def wait_for(self, more: int) -> None:
        """This will return when so many more were acknowledged."""
        wanted = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= wanted, what=f"{more} more are acknowledged")

    def _run(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=15)
        try:
            self._repeat(link)
        finally:
            link.close()

    def _repeat(self, link: http.client.HTTPConnection) -> None:
        number = 0
        while not self._stopping.is_set():
            try:
                status = self._send(link, f"d{number}")
            except (OSError, http.client.HTTPException):
                link.close()
                time.sleep(0.05)
                continue
            self.statuses.append(status)
            if status == 202:
                self.acknowledged.add(f"d{number}")
                number += 1
            time.sleep(_PAUSE_S)

    def _send(self, link: http.client.HTTPConnection, delivery: str) -> int:
        body = b'{"n": 1}'
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": f"sha256={signature}",
        }
        link.request("POST", f"/hooks/{self._source}", body=body, headers=headers)
        answer = link.getresponse()
        answer.read()
        return answer.status


@pytest.fixture
def source(database: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """This will be a source of this test alone, which starts a run for each event."""
    name = f"hub-{uuid4().hex[:12]}"
    wanted = SourceWanted(name=name, preset="github", secrets=("env:SCENARIO_HOOK_SECRET",), rate_per_s=0)
    save_source(wanted, actor=TESTER, now=timezone.now())
    document = {
        "name": name,
        "on": {"webhook": {"source": name, "event": "push"}},
        "steps": {"seen": {"uses": "set", "with": {"in": 1}}},
    }
    operations.publish(source=json.dumps(document), actor=TESTER, now=timezone.now())
    return name


@pytest.fixture
def port() -> int:
    """This will be a free port."""
    return free_port()


def events(source: str) -> set[str]:
    """This will give the ids of the events of a source."""
    return set(Event.objects.filter(source=f"webhook:{source}").values_list("event_id", flat=True))


def is_all_done(source: str, sender: Sender) -> bool:
    """This will tell whether each acknowledged request has become an event and exactly one run."""
    try:
        return events(source) >= sender.acknowledged and Run.objects.filter(workflow_name=source).count() == len(
            events(source)
        )
    except OperationalError:
        connection.close()
        return False


def queued() -> int:
    """This will give how many messages the broker has for the receiver, as far as it says; 0 while it does not."""
    try:
        with stores.connect(settings.BROKER_URL) as link, link.channel() as channel:
            return int(channel.queue_declare(QUEUE, passive=True).message_count)
    except (OSError, KombuError, AMQPError):
        return 0


def kept(source: str) -> int:
    """This will give how many requests of a source are rows; 0 while PostgreSQL does not say."""
    try:
        return WebhookDelivery.objects.filter(source=source).count()
    except OperationalError:
        connection.close()
        return 0


def takes_into_postgresql(sender: Sender, source: str) -> bool:
    """This will tell whether what is acknowledged now becomes rows: no receiver empties the queue."""
    before = kept(source)
    sender.wait_for(5)
    return kept(source) >= before + 5 > 5


def test_nothing_acknowledged_is_lost_whoever_is_killed(
    worker_processes: Processes, servers: RemoteServers, source: str, port: int
) -> None:
    intake = worker_processes.start_intake(port=port, env=ENV)
    with Sender(port=port, source=source) as sender:
        sender.wait_for(5)
        servers.postgres.kill()
        wait_until(lambda: queued() > 10, what="much is nowhere but in the queue and in copies: no receiver runs")

        servers.rabbitmq.kill()
        so_far = len(sender.statuses)
        wait_until(lambda: 503 in sender.statuses[so_far:], what="nobody takes it, and nobody says otherwise")
        intake.kill()  # with its copies, before PostgreSQL could have them
        servers.postgres.start()
        worker_processes.start_intake(port=port, env=ENV)
        sender.wait_for(5)  # PostgreSQL takes them
        servers.rabbitmq.start()
        wait_until(lambda: queued() > 10, what="what the broker had confirmed is there again")

        receiver = worker_processes.start_receiver(env=ENV)
        sender.wait_for(5)
        receiver.kill()
        worker_processes.start_receiver(env=ENV)
        sender.wait_for(5)
    connection.close()

    wait_until(lambda: is_all_done(source, sender), what="each is an event and a run")
    assert set(sender.statuses) <= {202, 503}
    assert Run.objects.filter(workflow_name=source).count() == len(events(source))
    assert WebhookDelivery.objects.filter(source=source, state="refused").count() == 0


def test_a_broker_that_loses_all_its_data_takes_nothing_along(
    worker_processes: Processes, servers: RemoteServers, source: str, port: int
) -> None:
    worker_processes.start_intake(port=port, env=ENV)
    with Sender(port=port, source=source) as sender:
        sender.wait_for(5)
        servers.postgres.kill()
        wait_until(lambda: queued() > 10, what="much is nowhere but in the queue: no receiver runs")
        with stores.connect(settings.BROKER_URL) as link, link.channel() as channel:
            channel.queue_delete(QUEUE)
        servers.postgres.start()
        wait_until(lambda: takes_into_postgresql(sender, source), what="PostgreSQL takes them again")
        wait_until(lambda: kept(source) >= len(sender.acknowledged), what="and what the queue had, from copies")
        so_far = len(sender.statuses)
        servers.rabbitmq.wipe()
        sender.wait_for(5)
    connection.close()
    worker_processes.start_receiver(env=ENV)

    wait_until(lambda: is_all_done(source, sender), what="each is an event and a run")
    assert set(sender.statuses) <= {202, 503}
    assert set(sender.statuses[so_far:]) == {202}


def test_a_database_that_stands_still_holds_up_no_sender(
    worker_processes: Processes, servers: RemoteServers, source: str, port: int
) -> None:
    worker_processes.start_intake(port=port, env=ENV)
    worker_processes.start_receiver(env=ENV)
    with Sender(port=port, source=source) as sender:
        sender.wait_for(10)
        with frozen_postgres(servers):
            sender.wait_for(30)  # the broker takes them
        wait_until(lambda: takes_into_postgresql(sender, source), what="PostgreSQL takes them again")

    wait_until(lambda: is_all_done(source, sender), what="each is an event and a run")
    assert set(sender.statuses) <= {202, 503}


def test_an_intake_that_is_asked_to_end_answers_what_it_has_begun(
    worker_processes: Processes, source: str, port: int
) -> None:
    intake = worker_processes.start_intake(port=port, env=ENV)
    with Sender(port=port, source=source) as sender:
        sender.wait_for(10)
        intake.terminate()
        assert intake.wait(limit_s=60) == 0
    worker_processes.start_receiver(env=ENV)

    wait_until(lambda: is_all_done(source, sender), what="each is an event and a run")
    assert set(sender.statuses) == {202}


def test_a_lane_that_is_full_holds_up_no_webhook(worker_processes: Processes, source: str, port: int) -> None:
    """The API refuses starts into it; what comes in is taken all the same, and its runs wait as rows."""
    env = {**ENV, "API_LANE_LIMIT": "2"}
    blocking = publish({"a": call("noop")})
    for _ in range(3):
        start(blocking)
    lane = lane_room.Room(count=lambda name, limit: due.count_due(lane=name, limit=limit))
    with pytest.raises(LaneFull):
        lane.ask("default", limit=2)
    worker_processes.start_intake(port=port, env=env)
    worker_processes.start_receiver(env=env)

    with Sender(port=port, source=source) as sender:
        sender.wait_for(30)

    wait_until(lambda: is_all_done(source, sender), limit_s=60, what="each is an event and a run")
    assert set(sender.statuses) == {202}, "nobody was told to come again"
    assert set(Run.objects.filter(workflow_name=source).values_list("state", flat=True)) == {"running"}
    assert not TriggerFiring.objects.filter(trigger__workflow=source).exclude(state="started").exists()
