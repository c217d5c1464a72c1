"""Reads the sources from their rows and resolves their secrets; a secret that cannot be used is told of, not shown."""

from collections.abc import Iterator, Mapping, Sequence

import structlog
from django.db import close_old_connections

from automation.intake.judging import Source
from automation.models import WebhookSource
from automation.verification.contract import Preset
from automation.verification.presets import PRESETS
from integrations import credentials
from integrations.errors import CallFailed
from workflows.core.gcra import Rate

log = structlog.get_logger(__name__)


class Loader:
    """Reads sources again and again; what is wrong with a secret is told once, and again when it changes."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str, str]] = set()
        self._wrong: set[tuple[str, str, str]] = set()

    def load(self) -> Mapping[str, Source]:
        """This will give the sources that are enabled, by name. Raises DatabaseError."""
        close_old_connections()
        self._wrong = set()
        rows = list(WebhookSource.objects.filter(is_enabled=True).order_by("name"))
        found = {row.name: self._source(row) for row in rows if row.preset in PRESETS}
        for source, reference, reason in sorted(self._wrong - self._told):
            log.warning("webhook_secret_unusable", source=source, reference=reference, reason=reason)
        self._told = self._wrong
        return found

    def _source(self, row: WebhookSource) -> Source:
        preset = PRESETS[row.preset]
        return Source(
            name=row.name,
            preset=preset,
            options=row.options,
            secrets=list(self._secrets(row.secrets, preset=preset, source=row.name)),
            rate=Rate(limit=1, period_s=1 / row.rate_per_s, burst=row.burst) if row.rate_per_s else None,
            max_bytes=row.max_bytes,
        )

    def _secrets(self, references: Sequence[str], *, preset: Preset, source: str) -> Iterator[str]:
        for reference in references:
            try:
                secret = credentials.resolve(reference, connection=f"webhooks of {source}")
            except CallFailed as error:
                self._wrong.add((source, reference, str(error)))
                continue
            problem = preset.secret_problem(secret)
            if problem is None:
                yield secret
            else:
                self._wrong.add((source, reference, problem))
