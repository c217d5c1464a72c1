"""What is wrong with what comes in from outside, goes out, and must agree, judged from evidence; pure."""

from collections.abc import Iterator

from automation.doctor.evidence import Broker, Evidence, Outside
from automation.doctor.finding import Finding, Level

_LATE_S = 60.0
_RECEIVER = "python manage.py automation receiver"
_SAID = {
    "requests": "webhooks that were acknowledged wait to be read",
    "triggers": "events wait to start their runs",
    "webhooks": "webhooks wait to be sent",
}


def findings(evidence: Evidence) -> Iterator[Finding]:
    """This will judge webhooks in both directions, secrets and reconciliations."""
    if evidence.broker is not None:
        yield from _queue(evidence.broker)
    if evidence.work is None:
        return
    outside = evidence.work.outside
    if outside.has_sources and "broker" in evidence.errors:
        yield Finding(
            level=Level.WARNING, code="intake-fallback", where="intake",
            what="the broker, which takes webhooks when PostgreSQL does not, is away",
            why="nothing is lost, but while PostgreSQL is away too webhooks are answered with 503",
            mend="start the broker",
        )  # fmt: skip
    yield from _waiting(outside)
    yield from _partners(outside)
    yield from _secrets(outside)
    for job, due_at in outside.overdue.items():
        yield Finding(
            level=Level.ERROR, code="reconciliation-overdue", where=job,
            what=f"was due at {due_at.isoformat()}, and no comparison has ended well since",
            why="what differs is not found", mend=f"python manage.py automation reconcile {job}, and look why it fails",
        )  # fmt: skip


def _queue(broker: Broker) -> Iterator[Finding]:
    inbound = broker.inbound
    if inbound is not None and inbound.waiting and inbound.consumers == 0:
        yield Finding(
            level=Level.ERROR, code="no-receiver", where=inbound.name,
            what=f"{inbound.waiting} webhooks lie in the queue, and no receiver reads it",
            why="they were acknowledged, and nothing follows from them", mend=_RECEIVER,
        )  # fmt: skip


def _waiting(outside: Outside) -> Iterator[Finding]:
    for part, seconds in outside.waiting_s.items():
        if seconds >= _LATE_S:
            yield Finding(
                level=Level.ERROR, code="receiver-late", what=f"{_SAID[part]}, the oldest for {seconds:.0f} s",
                where=part, why="no receiver runs, or none keeps up", mend=f"start one more: {_RECEIVER}",
            )  # fmt: skip


def _partners(outside: Outside) -> Iterator[Finding]:
    for name, (count, reason) in outside.refusing.items():
        yield Finding(
            level=Level.WARNING, code="source-refuses", where=name,
            what=f"it has refused all {count} requests of the last hours, mostly as {reason}",
            why="its sender loses events: a secret was changed, or a stranger knocks",
            mend="compare the secrets on both sides: python manage.py automation webhooks refused",
        )  # fmt: skip
    for name, reason in outside.disabled.items():
        yield Finding(
            level=Level.WARNING, code="endpoint-disabled", what=f"it is sent nothing any more: {reason}", where=name,
            why="who is behind it does not hear of events",
            mend="ask its owner, then enable it again: in the admin, or over the API",
        )  # fmt: skip
    for name, since in outside.failing.items():
        yield Finding(
            level=Level.WARNING, code="endpoint-failing", where=name,
            what=f"nothing has reached it since {since.isoformat(timespec='minutes')}",
            why="it is disabled when that goes on for WEBHOOK_DISABLE_DAYS",
            mend="ask its owner; python manage.py automation endpoints messages shows what it answers",
        )  # fmt: skip


def _secrets(outside: Outside) -> Iterator[Finding]:
    for store, said in outside.stores_away.items():
        yield Finding(
            level=Level.ERROR, code="secrets-away", what=f"this store of secrets does not answer: {said}", where=store,
            why="what was fetched is used for a while; then calls wait and webhooks are not believed",
            mend="start it, or mend its settings: docs/settings.md names them",
        )  # fmt: skip
    for reference, said in outside.secrets_missing.items():
        yield Finding(
            level=Level.WARNING, code="secret-missing", what=f"it cannot be read here: {said}", where=reference,
            why="who uses it fails, unless only this command lacks it, as with variables of another environment",
            mend="put it there, or name another place where it is used",
        )  # fmt: skip
