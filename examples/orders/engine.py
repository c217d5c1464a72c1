"""Talks to the engine for the demo: connections, workflow, runs, audit; load it when Django is set up."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson
from django.db import connections
from django.utils import timezone

from audit import queries as audit
from audit import verify
from audit.events import Actor, ActorKind
from examples.orders.campaign import Counts
from examples.orders.orders import Order
from examples.orders.trail import TrailEvent
from integrations import operations as integrations
from integrations.connections import ConnectionSpec
from workflows import documents, queries
from workflows import operations as workflows
from workflows.errors import RunEnded

DEFINITION = Path(__file__).parent / "order.yaml"


class DjangoEngine:
    """The engine as one campaign sees it. `campaign` names it: as correlation id, and in every start key."""

    def __init__(self, *, campaign: str, base_urls: Mapping[str, str]) -> None:
        """This will save the connections (by name) and publish the workflow; both change nothing twice."""
        self._campaign = campaign
        self._first_event = audit.latest_id()
        self._actor = Actor(kind=ActorKind.SYSTEM, id="demo")
        now = timezone.now()
        self._give_up_earlier_runs()
        for name, base_url in base_urls.items():
            # The outside systems listen on the loopback, which is refused unless it is allowed.
            spec = ConnectionSpec(name=name, base_url=base_url, allow_private=True, read_timeout_s=5.0)
            integrations.save_connection(spec=spec, actor=self._actor, now=now, correlation_id=campaign)
        source = DEFINITION.read_text(encoding="utf-8")
        version, _ = workflows.publish(source=source, actor=self._actor, now=now)
        self._workflow = version.workflow.name

    def _give_up_earlier_runs(self) -> None:
        """Runs of a demo that was interrupted would go on now, and charge the gateway of this one."""
        name = documents.parse_document(DEFINITION.read_text(encoding="utf-8")).document["name"]
        for run_id in queries.running_of(workflow=str(name)):
            with contextlib.suppress(RunEnded):
                workflows.cancel_run(
                    run_id=run_id, actor=self._actor, now=timezone.now(), reason="its demo was interrupted"
                )

    def start(self, orders: Sequence[Order]) -> None:
        """This will start one run for each order, at most once however often it is called."""
        starts = [
            workflows.Start(
                input=order.as_input(),
                key=f"{self._campaign}/{order.order_id}",
                correlation_id=self._campaign,
            )
            for order in orders
        ]
        workflows.start_runs(workflow=self._workflow, starts=starts, actor=self._actor, now=timezone.now())

    def counts(self) -> Counts:
        """This will say how far the runs of this campaign are."""
        tally = queries.tally(correlation_id=self._campaign)
        return Counts(runs=tally.runs, steps=tally.steps)

    def trail(self) -> Iterator[TrailEvent]:
        """This will read the audit events of this campaign's runs, earliest first."""
        for row in audit.walk(after_id=self._first_event):
            if row.correlation_id == self._campaign and row.subject_type == "run":
                yield TrailEvent(
                    kind=row.kind,
                    run_id=row.subject_id,
                    payload=orjson.loads(row.payload),
                    is_genuine=verify.is_genuine(row),
                )

    def close(self) -> None:
        """This will let go of the database."""
        connections.close_all()
