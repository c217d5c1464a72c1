"""A scheduler that dies right after it has sent: the message comes at most once more, with the same id."""

from collections import Counter
from pathlib import Path
from uuid import uuid4

from django.utils import timezone
from pytest_httpserver import HTTPServer

from integrations.models import Notification
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until

ENV = {**HASTY, "NOTIFICATION_LEASE_S": "1", "NOTIFICATION_CHANNELS": "tests.flows.channel"}


def test_killed_sender_repeats_one_message_with_its_id(
    worker_processes: Processes, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/").respond_with_data("")
    rows = [_row(recipient=httpserver.url_for("/")) for _ in range(3)]
    deadly = _row(recipient=f"{httpserver.url_for('/')} {tmp_path / 'died'}")
    first = worker_processes.start_scheduler(env=ENV, wait=False)
    wait_until(lambda: not first.is_running, what="the scheduler has died after sending")

    worker_processes.start_scheduler(env=ENV, wait=False)
    ids = [row.id for row in (*rows, deadly)]
    pending = Notification.objects.filter(id__in=ids, state="pending")
    wait_until(lambda: not pending.exists(), what="all are sent")

    received = Counter(request.headers["Idempotency-Key"] for request, _ in httpserver.log)
    assert received == {**{str(row.id): 1 for row in rows}, str(deadly.id): 2}
    assert Notification.objects.get(id=deadly.id).attempts == 2


def _row(*, recipient: str) -> Notification:
    now = timezone.now()
    return Notification.objects.create(
        id=uuid4(),
        key=f"test:{uuid4()}",
        channel="deadly",
        recipient=recipient,
        subject="Subject",
        text="Text.",
        due_at=now,
        created_at=now,
    )
