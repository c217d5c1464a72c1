"""What this app knows of an event: the request it came as, what it started, where it was sent on."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from automation.inbound import queries as inbound
from automation.outbound import queries as outbound
from workflows.admin.related import Related


def find(event: UUID, attributes: Mapping[str, object]) -> Iterator[Related]:
    """This will list it in the order in which it happened."""
    webhook = attributes.get("webhook")
    if webhook:
        yield Related(what="came as", text="a webhook", page="automation_webhookdelivery", key=webhook)
    for firing in inbound.firings(event=event):
        has_run = firing.run_id is not None
        yield Related(
            what="met the trigger of",
            text=firing.trigger.workflow,
            page="workflows_run" if has_run else "automation_eventtrigger",
            key=firing.run_id if has_run else firing.trigger_id,
            state=firing.state,
        )
    for message in outbound.messages_of(event):
        name = message.endpoint.name
        yield Related(what="sent to", text=name, page="automation_webhookmessage", key=message.pk, state=message.state)
