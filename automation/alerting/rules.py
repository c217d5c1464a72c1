"""Makes, changes and deletes rules of alerts; every change is audited. What is wrong with one is said all at once."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from automation.alerting.rule import Rule, RuleKind
from automation.errors import AlertRuleInvalid, AlertRuleNotYours, UnknownAlertRule
from automation.models import AlertRule
from integrations.notifications import channels
from workflows.core.durations import DurationInvalid, parse_duration

FIELDS = ("kind", "object", "count", "over", "tell", "repeat", "tells_end", "is_enabled")
"""What a rule is written with; `over` and `repeat` are lengths of time such as 5m."""

_LONGEST_LINE = 550


def read_rule(name: str, document: Mapping[str, object]) -> Rule:
    """This will read a rule as people write it. Raises AlertRuleInvalid with everything that is wrong."""
    problems = {key: f"a rule has no such field: it has {', '.join(FIELDS)}" for key in document if key not in FIELDS}
    if not name or len(name) > 60 or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        problems["name"] = "must be letters, digits and hyphens, 60 at most"
    kind = document.get("kind")
    if kind not in list(RuleKind):
        problems["kind"] = f"must be one of {', '.join(RuleKind)}"
    count = document.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < 2**31:
        problems["count"] = "must be a whole number of 0 or more"
    tell = _lines(document.get("tell"), problems=problems)
    seconds = {key: _seconds(key, document, problems=problems) for key in ("over", "repeat")}
    for key in ("tells_end", "is_enabled"):
        if not isinstance(document.get(key, True), bool):
            problems[key] = "must be true or false"
    if problems:
        raise AlertRuleInvalid(problems)
    return Rule(
        name=name,
        kind=RuleKind(str(kind)),
        object=str(document.get("object") or "")[:230],
        count=count if isinstance(count, int) else 1,
        over_s=seconds["over"],
        tell=tell,
        repeat_s=seconds["repeat"],
        tells_end=bool(document.get("tells_end", True)),
        is_enabled=bool(document.get("is_enabled", True)),
    )


def set_rule(*, rule: Rule, actor: Actor, now: datetime, is_declared: bool = False) -> tuple[AlertRule, bool]:
    """This will make a rule or change it, and tell whether it is new; the same again changes nothing.

    Raises AlertRuleNotYours when a file says what it is and this is not that file.
    """
    with transaction.atomic():
        row = AlertRule.objects.select_for_update().filter(name=rule.name).first()
        if row is not None and row.is_declared and not is_declared:
            raise AlertRuleNotYours(rule.name)
        if row is not None and row.rule() == rule and row.is_declared == is_declared:
            return row, False
        values = {
            "kind": rule.kind,
            "object": rule.object,
            "count": rule.count,
            "over_s": rule.over_s,
            "tell": list(rule.tell),
            "repeat_s": rule.repeat_s,
            "tells_end": rule.tells_end,
            "is_enabled": rule.is_enabled,
            "is_declared": is_declared,
            "updated_at": now,
            "updated_by": str(actor),
        }
        saved, is_new = AlertRule.objects.update_or_create(name=rule.name, defaults=values)
        audit.record(_event(EventKind.ALERT_RULE_CHANGED, rule, actor=actor, now=now))
    return saved, is_new


def delete_rule(*, name: str, actor: Actor, now: datetime, is_declared: bool = False) -> None:
    """This will delete a rule; what it found is over. Raises UnknownAlertRule, AlertRuleNotYours."""
    with transaction.atomic():
        row = AlertRule.objects.select_for_update().filter(name=name).first()
        if row is None:
            raise UnknownAlertRule(name)
        if row.is_declared and not is_declared:
            raise AlertRuleNotYours(name)
        row.delete()
        audit.record(_event(EventKind.ALERT_RULE_DELETED, row.rule(), actor=actor, now=now))


def get_rule(name: str) -> AlertRule:
    """This will read a rule. Raises UnknownAlertRule."""
    row = AlertRule.objects.filter(name=name).first()
    if row is None:
        raise UnknownAlertRule(name)
    return row


def _lines(given: object, *, problems: dict[str, str]) -> list[str]:
    lines = [given] if isinstance(given, str) else given
    if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
        problems["tell"] = "must say whom to tell, such as [mail ops@example.com, log operators]"
        return []
    cleaned = [" ".join(line.split()) for line in lines]
    for line in cleaned:
        channel, _, recipient = line.partition(" ")
        wrong = channels.problem_with(channel=channel, recipient=recipient)
        if wrong is not None or len(line) > _LONGEST_LINE:
            problems["tell"] = wrong or "a line is too long"
    return cleaned


def _seconds(key: str, document: Mapping[str, object], *, problems: dict[str, str]) -> float:
    try:
        return parse_duration(document.get(key, 0))
    except DurationInvalid as error:
        problems[key] = str(error)
        return 0.0


def _event(kind: EventKind, rule: Rule, *, actor: Actor, now: datetime) -> Event:
    payload: dict[str, object] = {
        "kind": rule.kind, "object": rule.object, "count": rule.count, "over": f"{rule.over_s:g}s",
        "repeat": f"{rule.repeat_s:g}s", "tell": list(rule.tell), "is_enabled": rule.is_enabled,
        "tells_end": rule.tells_end,
    }  # fmt: skip
    return Event(
        kind=kind, actor=actor, subject_type="alert_rule", subject_id=rule.name, correlation_id="", at=now,
        payload=payload,
    )  # fmt: skip
