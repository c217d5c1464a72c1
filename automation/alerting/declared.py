"""Follows the file that ALERTS_FILE names: its rules are made, changed and deleted as the file says.

    alerts:
      failures: {kind: incident, tell: [mail ops@example.com], repeat: 4h}
      slow-lane: {kind: lane, object: critical, over: 2m, tell: [webhook connection:chat/hooks/42]}

A rule that is wrong is said in the log, and leaves the others alone; so does a file that cannot be read.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import structlog
import yaml
from django.conf import settings

from audit.events import Actor, ActorKind
from automation.alerting import rules
from automation.errors import AutomationError
from automation.models import AlertRule

log = structlog.get_logger(__name__)
_ACTOR = Actor(kind=ActorKind.SYSTEM, id="file:alerts")
_read: list[tuple[str, float]] = []
"""Which file was followed last, and when it had been changed."""


def follow(*, now: datetime) -> bool:
    """This will do what the file says if it has changed since; False: there was nothing to do."""
    path = settings.ALERTS_FILE
    try:
        stamp = (path, Path(path).stat().st_mtime) if path else ("", 0.0)
    except OSError as error:
        log.warning("alerts_file_unreadable", path=path, error=str(error))
        return False
    if _read == [stamp]:
        return False
    if path or _read:
        apply(Path(path).read_text(encoding="utf-8") if path else "", now=now)
    _read[:] = [stamp]
    return True


def apply(text: str, *, now: datetime) -> None:
    """This will make the declared rules those of the text."""
    try:
        found = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        log.error("alerts_file_invalid", error=" ".join(str(error).split()))
        return
    wanted = found.get("alerts") if isinstance(found, Mapping) else None
    if text and not isinstance(wanted, Mapping):
        log.error("alerts_file_invalid", error="it must be a mapping with the key alerts")
        return
    for name, document in (wanted or {}).items():
        _set(str(name), document, now=now)
    gone = AlertRule.objects.filter(is_declared=True).exclude(name__in=[str(name) for name in wanted or {}])
    for name in gone.values_list("name", flat=True):
        rules.delete_rule(name=name, actor=_ACTOR, now=now, is_declared=True)


def _set(name: str, document: object, *, now: datetime) -> None:
    try:
        rule = rules.read_rule(name, document if isinstance(document, Mapping) else {})
        rules.set_rule(rule=rule, actor=_ACTOR, now=now, is_declared=True)
    except AutomationError as error:
        log.error("alert_rule_invalid", rule=name, error=str(error))
