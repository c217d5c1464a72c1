"""Readings of connections; a row may be a few seconds old, a secret as old as its lease."""

import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from django.db.models import QuerySet

from integrations import credentials, gate, oauth2, secret_users, token_keeping
from integrations.breaker import BreakerState
from integrations.connections import ConnectionSpec
from integrations.contract import ConnectionSettings
from integrations.errors import Denied, UnknownConnection, UnknownSecret
from integrations.models import Connection, Notification, StoredSecret
from integrations.notifications.contract import NotificationState

FRESH_S = 5.0
_MOMENT_S = 0.05
_COUNTED = 100

_read: dict[str, tuple[float, ConnectionSpec]] = {}
"""Each connection as it was read last, and until which instant of `time.monotonic` that is fresh enough."""


def connection_settings(name: str) -> ConnectionSettings:
    """This will say how to reach a connection, its secrets resolved.

    A change made by another process is seen after at most `FRESH_S` seconds, another secret after SECRET_LEASE_S.
    Raises UnknownConnection, Refused when a secret is not there, Unavailable when its store is away.
    """
    until, spec = _read.get(name, (0.0, None))
    if spec is None or until < time.monotonic():
        spec = get_connection(name)
        _read[name] = (time.monotonic() + FRESH_S, spec)
    return _authorized(spec)


def is_fresh(name: str) -> bool:
    """This will tell whether `connection_settings` asks neither database nor store, now and a moment from now."""
    until, spec = _read.get(name, (0.0, None))
    if spec is None or until <= time.monotonic() + _MOMENT_S:
        return False
    if "oauth2" in spec.options and not oauth2.is_at_hand(name):
        return False
    return all(credentials.is_at_hand(reference) for reference in spec.references)


def get_connection(name: str) -> ConnectionSpec:
    """This will read a connection. Raises UnknownConnection."""
    return spec_of(get_row(name))


def get_row(name: str) -> Connection:
    """This will read a connection with what is known of it besides. Raises UnknownConnection."""
    row = Connection.objects.filter(name=name).first()
    if row is None:
        raise UnknownConnection(f"there is no connection {name!r}: add it under Integrations, or mend the name")
    return row


def find_connection(name: str) -> ConnectionSpec | None:
    """This will read a connection, None when there is none of that name."""
    row = Connection.objects.filter(name=name).first()
    return None if row is None else spec_of(row)


def connections(*, kind: str = "", environment: str = "") -> QuerySet[Connection]:
    """This will give connections by name: all, those of one kind, those of one environment."""
    found = Connection.objects.order_by("name")
    found = found.filter(kind=kind) if kind else found
    return found.filter(environment=environment) if environment else found


def kinds_of(names: Collection[str]) -> Mapping[str, str]:
    """This will give the kind of each of these connections that is there."""
    return dict(Connection.objects.filter(name__in=names).order_by().values_list("name", "kind"))


def secrets() -> QuerySet[StoredSecret]:
    """This will give the stored secrets by name."""
    return StoredSecret.objects.order_by("name")


def get_secret(name: str) -> StoredSecret:
    """This will read a stored secret, sealed. Raises UnknownSecret."""
    row = secrets().filter(name=name).first()
    if row is None:
        raise UnknownSecret(f"there is no stored secret {name!r}: `automation secrets set {name}` makes it")
    return row


def users_of_secret(name: str) -> list[str]:
    """This will name whatever refers to a stored secret."""
    return users_of_secrets([name])[name]


def users_of_secrets(names: Sequence[str]) -> Mapping[str, list[str]]:
    """This will name whatever refers to each of some stored secrets."""
    found = secret_users.users_of(*(f"db:{name}" for name in names))
    return {name: found[f"db:{name}"] for name in names}


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


def connections_unwell() -> Mapping[str, str]:
    """This will give the connections whose latest test found something wrong, with what it found."""
    found = Connection.objects.filter(is_well=False).order_by("name")
    return dict(found.values_list("name", "probe_detail")[:_COUNTED])


def forget_connections() -> None:
    """This will let the next call read its connection again."""
    _read.clear()


def spec_of(row: Connection) -> ConnectionSpec:
    """This will turn a row into what a person wrote."""
    return ConnectionSpec(
        name=row.name,
        kind=row.kind,
        base_url=row.base_url,
        options=row.options,
        secrets=row.secrets,
        environment=row.environment,
        owner=row.owner,
        allow_private=row.allow_private,
        allowed_hosts=tuple(row.allowed_hosts),
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


def _authorized(spec: ConnectionSpec) -> ConnectionSettings:
    """Where tokens are asked for with secrets that are not taken, the stores are asked once for others."""
    settings = _resolved(spec)
    if not oauth2.is_wanted(settings):
        return settings
    keep = partial(token_keeping.keep, spec.secrets.get("refresh_token", ""))
    try:
        return oauth2.authorized(settings, keep=keep)
    except Denied:
        credentials.hint(spec.references)
        again = _resolved(spec)
        if again.secret_values == settings.secret_values:
            raise
        return oauth2.authorized(again, keep=keep)


def _resolved(spec: ConnectionSpec) -> ConnectionSettings:
    headers = dict(spec.headers)
    values = {name: credentials.reveal(where, connection=spec.name) for name, where in spec.secrets.items()}
    secrets = list(values.values())
    if spec.secret_reference:
        secret = credentials.resolve(spec.secret_reference, connection=spec.name)
        headers[spec.auth_header] = f"{spec.auth_scheme} {secret}" if spec.auth_scheme else secret
        secrets.append(secret)
    return ConnectionSettings(
        name=spec.name,
        kind=spec.kind,
        base_url=spec.base_url,
        environment=spec.environment,
        options=spec.options,
        allow_private=spec.allow_private,
        allowed_hosts=tuple(spec.allowed_hosts),
        headers=headers,
        secret_values=values,
        secrets=tuple(shape for secret in secrets for shape in credentials.shapes(secret)),
        connect_timeout_s=spec.connect_timeout_s,
        read_timeout_s=spec.read_timeout_s,
        max_response_bytes=spec.max_response_bytes,
        rate=spec.rate,
        breaker=spec.breaker,
    )
