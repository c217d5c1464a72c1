"""Readings of connections; a row may be a few seconds old, a secret never is."""

import time
from collections.abc import Sequence

from django.db.models import QuerySet

from integrations import credentials, gate
from integrations.breaker import BreakerState
from integrations.connections import ConnectionSpec
from integrations.contract import ConnectionSettings
from integrations.errors import UnknownConnection
from integrations.models import Connection, Notification
from integrations.notifications.contract import NotificationState

FRESH_S = 5.0
_MOMENT_S = 0.05
_COUNTED = 100

_read: dict[str, tuple[float, ConnectionSpec]] = {}
"""Each connection as it was read last, and until which instant of `time.monotonic` that is fresh enough."""


def connection_settings(name: str) -> ConnectionSettings:
    """This will say how to reach a connection, its secret resolved now.

    A change made by another process is seen after at most `FRESH_S` seconds. Raises UnknownConnection, and
    Refused when the secret is not where the connection says.
    """
    until, spec = _read.get(name, (0.0, None))
    if spec is None or until < time.monotonic():
        spec = get_connection(name)
        _read[name] = (time.monotonic() + FRESH_S, spec)
    return _resolved(spec)


def is_fresh(name: str) -> bool:
    """This will tell whether `connection_settings` needs no look into the database, now and a moment from now."""
    until, _ = _read.get(name, (0.0, None))
    return until > time.monotonic() + _MOMENT_S


def get_connection(name: str) -> ConnectionSpec:
    """This will read a connection. Raises UnknownConnection."""
    spec = find_connection(name)
    if spec is None:
        raise UnknownConnection(f"there is no connection {name!r}: add it under Integrations, or mend the name")
    return spec


def find_connection(name: str) -> ConnectionSpec | None:
    """This will read a connection, None when there is none of that name."""
    row = Connection.objects.filter(name=name).first()
    return None if row is None else spec_of(row)


def notifications(*, state: str = "", about: str = "") -> QuerySet[Notification]:
    """This will give notifications, latest first: all, those in one state, or those about one run."""
    found = Notification.objects.order_by("-created_at", "id")
    found = found.filter(state=state) if state else found
    return found.filter(about=about) if about else found


def dead_notifications() -> int:
    """This will count the notifications that were given up, to a hundred."""
    return notifications(state=NotificationState.DEAD).order_by()[:_COUNTED].count()


def breakers_open() -> Sequence[str]:
    """This will name the connections whose calls a circuit breaker holds back now; none when Redis is away."""
    names = Connection.objects.order_by("name").values_list("name", flat=True)
    return [name for name in names if gate.state_of(name) is not BreakerState.CLOSED]


def forget_connections() -> None:
    """This will let the next call read its connection again."""
    _read.clear()


def spec_of(row: Connection) -> ConnectionSpec:
    """This will turn a row into what a person wrote."""
    return ConnectionSpec(
        name=row.name,
        base_url=row.base_url,
        allow_private=row.allow_private,
        auth_header=row.auth_header,
        auth_scheme=row.auth_scheme,
        secret_reference=row.secret_reference,
        headers=row.headers,
        connect_timeout_s=row.connect_timeout_s,
        read_timeout_s=row.read_timeout_s,
        max_response_bytes=row.max_response_bytes,
        rate_limit=row.rate_limit,
        rate_period_s=row.rate_period_s,
        rate_burst=row.rate_burst,
        breaker_error_rate=row.breaker_error_rate,
        breaker_slow_rate=row.breaker_slow_rate,
        breaker_slow_s=row.breaker_slow_s,
        breaker_window_s=row.breaker_window_s,
        breaker_min_calls=row.breaker_min_calls,
        breaker_open_s=row.breaker_open_s,
        breaker_probes=row.breaker_probes,
    )


def _resolved(spec: ConnectionSpec) -> ConnectionSettings:
    headers = dict(spec.headers)
    secrets: tuple[str, ...] = ()
    if spec.secret_reference:
        secret = credentials.resolve(spec.secret_reference, connection=spec.name)
        headers[spec.auth_header] = f"{spec.auth_scheme} {secret}" if spec.auth_scheme else secret
        secrets = (secret,)
    return ConnectionSettings(
        name=spec.name,
        base_url=spec.base_url,
        allow_private=spec.allow_private,
        headers=headers,
        secrets=secrets,
        connect_timeout_s=spec.connect_timeout_s,
        read_timeout_s=spec.read_timeout_s,
        max_response_bytes=spec.max_response_bytes,
        rate=spec.rate,
        breaker=spec.breaker,
    )
