"""People who use the admin, and runs in every state for them to look at."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from audit.events import Actor, ActorKind
from workflows import operations
from workflows.models import Activation, Attempt, DeadLetter, Fanout, Item, Run, Step, Workflow, WorkflowVersion

TESTER = Actor(kind=ActorKind.SYSTEM, id="test")
NASTY = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
SOURCE = """\
name: {name}
description: {description}
input:
  type: object
  required: [amount]
  properties:
    amount: {{type: number, minimum: 1}}
    note: {{type: string, default: none}}
steps:
  check:
    uses: set
    with: {{ok: true}}
  each:
    needs: check
    for_each: "${{{{ [1, 2, 3] }}}}"
    parallel: 2
    uses: set
    with: {{v: "${{{{ item }}}}"}}
  close:
    needs: each
    uses: set
    with: {{done: true}}
"""


def user(*permissions: str, is_superuser: bool = False) -> User:
    """This will be a member of staff with these permissions of the engine, such as `view_run`."""
    person = User.objects.create_user(f"staff-{uuid4().hex[:8]}", is_staff=True, is_superuser=is_superuser)
    person.user_permissions.set(
        Permission.objects.filter(content_type__app_label="workflows", codename__in=permissions)
    )
    return person


class Browser(Client):
    """A browser that reaches the site over HTTPS, as the strict settings demand."""

    def request(self, **request: Any) -> Any:  # Any: Django's signature
        """This will send one request."""
        return super().request(**{**request, "wsgi.url_scheme": "https"})


def browser(person: User) -> Client:
    """This will be a browser in which somebody has signed in."""
    client = Browser()
    client.force_login(person)
    return client


def source(name: str, *, description: str = "A test.") -> str:
    """This will be a definition of three steps with a `for_each`."""
    return SOURCE.format(name=name, description=description)


def published(*, description: str = "A test.") -> WorkflowVersion:
    """This will publish a workflow with a name of its own."""
    text = source(f"test-{uuid4().hex[:10]}", description=description)
    version, _ = operations.publish(source=text, actor=TESTER, now=timezone.now())
    return version


def started(version: WorkflowVersion) -> UUID:
    """This will start a run and leave it waiting for a worker."""
    start = operations.Start(input={"amount": 2, "note": NASTY})
    name = Workflow.objects.get(id=version.workflow_id).name
    return operations.start_run(workflow=name, start=start, actor=TESTER, now=timezone.now()).run_id


def in_the_middle(version: WorkflowVersion) -> UUID:
    """This will be a run whose items are under way, after a step that needed two attempts."""
    run_id, now = started(version), timezone.now()
    _end_step(run_id, "check", output={"text": NASTY}, now=now)
    Attempt.objects.create(
        run_id=run_id, step="check", attempt=1, kind="unavailable", message=NASTY, ended_at=now, delay_s=0.5
    )
    Fanout.objects.create(run_id=run_id, step="each", total=3, next_index=3, started_at=now)
    for index, state in enumerate(("succeeded", "running", "waiting")):
        Item.objects.create(run_id=run_id, step="each", index=index, state=state, value=NASTY, output=index)
    Activation.objects.filter(run_id=run_id).update(segment=_segment(version, "each"), position=0, state="leased")
    Activation.objects.filter(run_id=run_id).update(wait_reason="running", owner="worker-1", slot=1)
    return run_id


def failed(version: WorkflowVersion) -> DeadLetter:
    """This will be a failed run with the dead letter of its first step."""
    run_id, now = started(version), timezone.now()
    error = {"kind": "refused", "message": NASTY, "step": "check"}
    Step.objects.create(run_id=run_id, step="check", state="failed", error=error, ended_at=now, started_at=now)
    for step in ("each", "close"):
        Step.objects.create(run_id=run_id, step=step, state="upstream_failed", attempts=0, ended_at=now)
    Activation.objects.filter(run_id=run_id).delete()
    Run.objects.filter(id=run_id).update(state="failed", error=error, ended_at=now)
    Attempt.objects.create(run_id=run_id, step="check", attempt=1, kind="refused", message=NASTY, ended_at=now)
    return DeadLetter.objects.create(
        run_id=run_id,
        workflow_name=Run.objects.get(id=run_id).workflow_name,
        step="check",
        kind="refused",
        message=NASTY,
        payload={"text": NASTY},
        attempts=1,
        created_at=now,
    )


def _end_step(run_id: UUID, step: str, *, output: object, now: datetime) -> None:
    Step.objects.create(
        run_id=run_id,
        step=step,
        state="succeeded",
        output=output,
        attempts=2,
        started_at=now - timedelta(seconds=1),
        ended_at=now,
    )


def _segment(version: WorkflowVersion, step: str) -> int:
    return next(index for index, part in enumerate(version.plan) if part["steps"][0] == step)
