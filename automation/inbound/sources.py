"""Makes, changes and deletes sources of webhooks, each with its audit event; a secret is a reference, never a value."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from automation import saving, wording
from automation.errors import SourceInUse, SourceInvalid, UnknownSource
from automation.eventing.documents import source_of
from automation.models import EventTrigger, WebhookSource
from automation.verification.contract import Preset
from automation.verification.presets import PRESETS
from automation.verification.presets.mtls import networks_problem
from workflows.core.problems import Problem, suggestion
from workflows.schema import Schema

MOST_BYTES = 20_000_000
MOST_SECRETS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceWanted:
    """What a source shall be. `secrets` are references, the newest first; `rate_per_s` 0: no limit."""

    name: str
    preset: str
    options: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON
    secrets: tuple[str, ...] = ()
    rate_per_s: float = 100.0
    burst: int = 200
    max_bytes: int = 1_000_000
    is_enabled: bool = True


def save_source(wanted: SourceWanted, *, actor: Actor, now: datetime) -> tuple[WebhookSource, bool]:
    """This will make or change a source; gives it, and whether it is new. The same again changes nothing.

    Raises SourceInvalid.
    """
    problems = list(problems_of(wanted))
    if problems:
        raise SourceInvalid(problems)
    values = {**asdict(wanted), "options": dict(wanted.options), "secrets": list(wanted.secrets)}
    with transaction.atomic():
        saved = saving.save(WebhookSource, values, actor=actor, now=now)
        if saved.is_changed:
            _audit(saved.row, kind=EventKind.SOURCE_CHANGED, actor=actor, now=now)
    return saved.row, saved.is_new


def delete_source(*, name: str, actor: Actor, now: datetime) -> None:
    """This will delete a source; what it sent stays. Raises UnknownSource, SourceInUse."""
    with transaction.atomic():
        row = WebhookSource.objects.select_for_update().filter(name=name).first()
        if row is None:
            raise UnknownSource(name)
        user = EventTrigger.objects.filter(source=source_of(name), ended_at=None).order_by("workflow").first()
        if user is not None:
            raise SourceInUse(name=name, used_by=user.workflow)
        _audit(row, kind=EventKind.SOURCE_DELETED, actor=actor, now=now)
        row.delete()


def problems_of(wanted: SourceWanted) -> Iterator[Problem]:
    """This will give everything that is wrong with a source."""
    if not wording.is_name(wanted.name):
        hint = "write lower-case words joined by hyphens, such as shop-orders"
        yield Problem("$.name", f"{wanted.name!r} cannot be the name of a source", hint)
    preset = PRESETS.get(wanted.preset)
    if preset is None:
        hint = suggestion(wanted.preset, known=PRESETS, noun="preset")
        yield Problem("$.preset", f"there is no preset {wanted.preset!r}", hint)
    else:
        yield from _option_problems(wanted, preset=preset)
        yield from _secret_problems(wanted)
    if not 0 <= wanted.rate_per_s <= 1_000_000:
        yield Problem("$.rate_per_s", "must be 0 to 1000000 requests a second", "0: no limit")
    if not 1 <= wanted.burst <= 1_000_000:
        yield Problem("$.burst", "must be 1 to 1000000 requests")
    if not 1 <= wanted.max_bytes <= MOST_BYTES:
        yield Problem("$.max_bytes", f"must be 1 to {MOST_BYTES} bytes")


def _option_problems(wanted: SourceWanted, *, preset: Preset) -> Iterator[Problem]:
    yield from Schema(preset.schema).problems(dict(wanted.options), at="$.options")
    networks = wanted.options.get("proxies")
    if isinstance(networks, list):
        problem = networks_problem([text for text in networks if isinstance(text, str)])
        if problem is not None:
            yield Problem("$.options.proxies", problem)


def _secret_problems(wanted: SourceWanted) -> Iterator[Problem]:
    if wanted.preset == "mtls":
        if wanted.secrets:
            yield Problem("$.secrets", "this preset has none: the proxy has verified the certificate", "leave it empty")
        return
    if not 1 <= len(wanted.secrets) <= MOST_SECRETS:
        hint = f"{PRESETS[wanted.preset].key_hint}; write where it is, such as env:SHOP_WEBHOOK_SECRET"
        yield Problem("$.secrets", f"must be 1 to {MOST_SECRETS} references", hint)
    yield from wording.reference_problems(wanted.secrets)


def _audit(row: WebhookSource, *, kind: EventKind, actor: Actor, now: datetime) -> None:
    payload = {
        "preset": row.preset,
        "secrets": list(row.secrets),
        "rate_per_s": f"{row.rate_per_s:g}",
        "burst": row.burst,
        "max_bytes": row.max_bytes,
        "enabled": row.is_enabled,
    }
    audit.record(
        Event(
            kind=kind,
            actor=actor,
            subject_type="webhook_source",
            subject_id=row.name,
            correlation_id=row.name,
            at=now,
            payload=payload,
        )
    )
