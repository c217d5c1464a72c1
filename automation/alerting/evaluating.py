"""Holds rules against what is seen, and writes down what follows, each alert with its notifications in one transaction.

Every scheduler may do it at once: an alert begins by a row with a unique key, is told again and ends by
compare-and-swap. Whoever is second finds it done.
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from audit import operations as audit
from audit.events import Actor, ActorKind, Event, EventKind
from automation.alerting import declared, signs
from automation.alerting.rule import Firing, Rule, RuleKind, Sign, decide
from automation.models import Alert, AlertRule
from integrations.notifications import outbox
from integrations.notifications.contract import Message, UnknownChannel, WrongRecipient

log = structlog.get_logger(__name__)
_ENGINE = Actor(kind=ActorKind.ENGINE)


def run(*, wait: Callable[[float], bool]) -> None:
    """This will evaluate again and again until `wait` (of seconds) says that the process ends."""
    while not wait(settings.ALERTS_EVERY_S):
        try:
            declared.follow(now=timezone.now())
            evaluate(now=timezone.now())
        except DatabaseError:
            log.warning("database_away", exc_info=True)
            connection.close()
        except Exception:
            log.exception("alerts_not_evaluated")
    connection.close()


def evaluate(*, now: datetime) -> int:
    """This will hold all rules against what is seen now; gives how many alerts began, were told again or ended."""
    rules = [row.rule() for row in AlertRule.objects.order_by("name")]
    active = [rule for rule in rules if rule.is_enabled]
    named = {rule.object for rule in active if rule.kind is RuleKind.WORKER and rule.object}
    seen = signs.look({rule.kind for rule in active}, now=now, named=named)
    changed = _end_orphans({rule.name for rule in active}, now=now)
    for rule in active:
        rows = Alert.objects.filter(rule=rule.name, ended_at=None)
        firing = [Firing(object=row.object, seen_at=row.seen_at, told_at=row.told_at) for row in rows]
        decision = decide(rule, signs=seen.get(rule.kind), firing=firing, now=now)
        told = {one.object: one.told_at for one in firing}
        changed += sum(_begin(rule, sign, now=now) for sign in decision.begin)
        changed += sum(_repeat(rule, sign, told_at=told[sign.object], now=now) for sign in decision.repeat)
        for sign in decision.keep:
            Alert.objects.filter(rule=rule.name, object=sign.object, ended_at=None).update(
                seen_at=now, words=sign.words[:1000]
            )
        changed += sum(_end(rule, name, now=now) for name in decision.end)
    return changed


def _begin(rule: Rule, sign: Sign, *, now: datetime) -> int:
    row = Alert(
        rule=rule.name,
        kind=rule.kind,
        object=sign.object[:300],
        words=sign.words[:1000],
        began_at=now,
        seen_at=now,
        told_at=now,
        told=0,
    )
    with transaction.atomic():
        Alert.objects.bulk_create([row], ignore_conflicts=True)
        found = Alert.objects.filter(rule=rule.name, object=row.object, ended_at=None, began_at=now).first()
        if found is None or not _is_ours(found):
            return 0
        found.told = 1
        audit.record(_event(EventKind.ALERT_BEGUN, found, now=now))
        _tell(rule, found, page=sign.page, prefix="ALERT")
    log.warning("alert_begun", rule=rule.name, object=sign.object, words=sign.words)
    return 1


def _repeat(rule: Rule, sign: Sign, *, told_at: datetime, now: datetime) -> int:
    with transaction.atomic():
        mine = Alert.objects.filter(rule=rule.name, object=sign.object, ended_at=None, told_at=told_at)
        if not mine.update(told_at=now, seen_at=now, told=F("told") + 1, words=sign.words[:1000]):
            return 0
        found = Alert.objects.get(rule=rule.name, object=sign.object, ended_at=None)
        _tell(rule, found, page=sign.page, prefix="STILL")
    return 1


def _end(rule: Rule, name: str, *, now: datetime) -> int:
    with transaction.atomic():
        found = Alert.objects.select_for_update().filter(rule=rule.name, object=name, ended_at=None).first()
        if found is None:
            return 0
        found.ended_at = now
        found.save(update_fields=["ended_at"])
        audit.record(_event(EventKind.ALERT_ENDED, found, now=now))
        if rule.tells_end:
            _tell(rule, found, page="/admin/automation/alert/", prefix="OVER")
    log.info("alert_ended", rule=rule.name, object=name)
    return 1


def _end_orphans(names: set[str], *, now: datetime) -> int:
    """Alerts whose rule was deleted or switched off are over, and nobody is told."""
    rows = Alert.objects.filter(ended_at=None).exclude(rule__in=names)
    return sum(_end(Rule(name=row.rule, kind=RuleKind(row.kind), tells_end=False), row.object, now=now) for row in rows)


def _is_ours(row: Alert) -> bool:
    """Two that look at the same instant insert one row: whoever notes its beginning first goes on."""
    return bool(Alert.objects.filter(id=row.pk, told=0).update(told=1))


def _tell(rule: Rule, row: Alert, *, page: str, prefix: str) -> None:
    messages = [_message(line, rule, row, page=page, prefix=prefix) for line in rule.tell]
    for message in messages:
        try:
            outbox.notify([message], now=timezone.now())
        except (UnknownChannel, WrongRecipient) as error:  # a channel that was there when the rule was written
            log.error("alert_not_told", rule=rule.name, object=row.object, error=str(error))


def _message(line: str, rule: Rule, row: Alert, *, page: str, prefix: str) -> Message:
    channel, _, recipient = line.partition(" ")
    ended_at = None if row.ended_at is None else row.ended_at.isoformat()
    text = [row.words, f"Rule {rule.name}, since {row.began_at.isoformat()}.", f"[[page:{page}]]"]
    return Message(
        channel=channel,
        recipient=recipient.strip(),
        subject=f"{prefix} {rule.name}: {row.words}"[:300],
        text="\n\n".join(text),
        key=f"alert:{row.pk}:{row.told}:{prefix}:{line}"[:300],
        data={
            "alert": row.pk, "rule": rule.name, "kind": row.kind, "object": row.object, "state": prefix.lower(),
            "began_at": row.began_at.isoformat(), "ended_at": ended_at,
        },
        correlation_id=f"alert:{row.pk}",
    )  # fmt: skip


def _event(kind: EventKind, row: Alert, *, now: datetime) -> Event:
    payload: dict[str, object] = {"rule": row.rule, "kind": row.kind, "object": row.object, "words": row.words}
    return Event(
        kind=kind, actor=_ENGINE, subject_type="alert", subject_id=str(row.pk), correlation_id=f"alert:{row.pk}",
        at=now, payload=payload,
    )  # fmt: skip


def firing() -> QuerySet[Alert]:
    """This will select the alerts under way, the latest first."""
    return Alert.objects.filter(ended_at=None).order_by("-id")
