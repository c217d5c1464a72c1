"""Celery tasks that people name in periodic tasks; the engine's own work has none here."""

from celery import Task, shared_task
from django.utils import timezone

from audit.events import Actor, ActorKind
from automation.firing.periodic import START_TASK
from workflows import operations
from workflows.core.definition import JsonValue


@shared_task(name=START_TASK, bind=True)
def start_workflow(self: "Task[..., str]", workflow: str, input: JsonValue = None) -> str:  # noqa: A002 - its own word
    """This will start a run and give its id. The same message again starts nothing new.

    Our scheduler starts the run of a periodic task itself, in the transaction that records the fire.
    """
    start = operations.Start(input=input, key=f"task:{self.request.id}")
    actor = Actor(kind=ActorKind.SCHEDULE, id=START_TASK)
    return str(operations.start_run(workflow=workflow, start=start, actor=actor, now=timezone.now()).run_id)
