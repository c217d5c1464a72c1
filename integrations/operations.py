"""What can be done with the outside: make a call, save a connection; it never calls in a transaction."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import datetime

import structlog
from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from audit.redaction import redacted, redacted_text
from integrations import connections, gate, http_async, queries, registry
from integrations.connections import ConnectionSpec
from integrations.contract import Adapter, AsyncAdapter, CallContext, ConnectionSettings
from integrations.errors import CallFailed, Refused, Unknown, UnknownAdapter, UnknownConnection
from integrations.models import Connection

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def call(*, uses: str, inputs: Mapping[str, object], connection: str | None, context: CallContext) -> object:
    """This will make one attempt through an adapter and return its JSON-compatible output.

    Raises Refused, Unavailable, Throttled or Unknown; what an adapter did not foresee is Unknown. Raises Postponed
    when the connection has no room now: then nothing was tried.
    """
    with _reported(uses=uses, connection=connection, context=context):
        inputs, rate_key = _without_rate_key(inputs)
        adapter, settings = _prepared(uses=uses, inputs=inputs, connection=connection)
        with (
            _passing(settings, context=context, rate_key=rate_key),
            _foreseen(adapter, uses=uses, inputs=inputs, settings=settings),
        ):
            return adapter.call(inputs=inputs, connection=settings, context=context)


def can_wait(uses: str) -> bool:
    """This will tell whether `acall` knows the adapter."""
    return registry.find_async_adapter(uses) is not None


async def acall(*, uses: str, inputs: Mapping[str, object], connection: str | None, context: CallContext) -> object:
    """This will do what `call` does on an event loop, for adapters of which `can_wait` is true.

    What it must read from the database is read in the loop's default executor.
    """
    with _reported(uses=uses, connection=connection, context=context):
        inputs, rate_key = _without_rate_key(inputs)
        if connection is None or queries.is_fresh(connection):
            adapter, settings = _prepared(uses=uses, inputs=inputs, connection=connection)
        else:
            adapter, settings = await asyncio.to_thread(_prepared, uses=uses, inputs=inputs, connection=connection)
        if not isinstance(adapter, AsyncAdapter):
            raise Refused(f"the adapter {uses} cannot wait on an event loop: it has no `acall`")
        async with _apassing(settings, context=context, rate_key=rate_key):
            with _foreseen(adapter, uses=uses, inputs=inputs, settings=settings):
                return await adapter.acall(inputs=inputs, connection=settings, context=context)


async def hang_up() -> None:
    """This will close the connections of the running event loop."""
    await http_async.close_connections()


def is_repeatable(*, uses: str, inputs: Mapping[str, object]) -> bool:
    """This will tell whether an attempt whose outcome nobody knows (its worker died) may be made again.

    Raises UnknownAdapter.
    """
    return registry.get_adapter(uses).is_repeatable(inputs=inputs)


def save_connection(*, spec: ConnectionSpec, actor: Actor, now: datetime, correlation_id: str) -> bool:
    """This will add a connection, or change it to what `spec` says, and tell whether anything changed.

    Saying the same twice changes and audits nothing the second time. Raises WrongConnection.
    """
    connections.check(spec)
    wanted = asdict(spec)
    with transaction.atomic():
        row, is_new = Connection.objects.select_for_update().get_or_create(
            name=spec.name, defaults={**wanted, "created_at": now, "updated_at": now}
        )
        before = {} if is_new else asdict(queries.spec_of(row))
        changed = {name: value for name, value in wanted.items() if is_new or value != before[name]}
        if not changed:
            return False
        if not is_new:
            Connection.objects.filter(pk=row.pk).update(**changed, updated_at=now)
        audit.record(_changed(before, changed, name=spec.name, actor=actor, now=now, correlation_id=correlation_id))
        transaction.on_commit(queries.forget_connections)
    return True


@contextmanager
def _passing(settings: ConnectionSettings | None, *, context: CallContext, rate_key: str) -> Iterator[None]:
    """The gate of the connection, where it has one, before and after the call."""
    if settings is None or not _is_gated(settings):
        yield
        return
    permit = gate.enter(settings, caller=context.idempotency_key, rate_key=rate_key)
    began = time.monotonic()
    outcome: BaseException | None = None
    try:
        yield
    except BaseException as error:
        outcome = error
        raise
    finally:
        gate.leave(permit, outcome=outcome, seconds=time.monotonic() - began)


@asynccontextmanager
async def _apassing(settings: ConnectionSettings | None, *, context: CallContext, rate_key: str) -> AsyncIterator[None]:
    """What `_passing` does, in the loop's default executor: it asks Redis, and may ask PostgreSQL."""
    if settings is None or not _is_gated(settings):
        yield
        return
    permit = await asyncio.to_thread(
        gate.enter, settings, caller=context.idempotency_key, rate_key=rate_key, may_sleep=False
    )
    began = time.monotonic()
    outcome: BaseException | None = None
    try:
        yield
    except BaseException as error:
        outcome = error
        raise
    finally:
        await asyncio.to_thread(gate.leave, permit, outcome=outcome, seconds=time.monotonic() - began)


def _is_gated(settings: ConnectionSettings) -> bool:
    return settings.rate is not None or settings.breaker is not None


def _without_rate_key(inputs: Mapping[str, object]) -> tuple[Mapping[str, object], str]:
    """The key of the rate limit is for the gate, not for the adapter."""
    rest = {name: value for name, value in inputs.items() if name != registry.RATE_KEY}
    return rest, str(inputs.get(registry.RATE_KEY, ""))


@contextmanager
def _reported(*, uses: str, connection: str | None, context: CallContext) -> Iterator[None]:
    started_at = time.monotonic()
    try:
        yield
    except CallFailed as failure:
        _report(failure, uses=uses, connection=connection, context=context, started_at=started_at)
        raise
    _log.debug("integration.call", outcome="succeeded", **_fields(uses, connection, context, started_at=started_at))


@contextmanager
def _foreseen(
    adapter: Adapter, *, uses: str, inputs: Mapping[str, object], settings: ConnectionSettings | None
) -> Iterator[None]:
    """What an adapter did not foresee may have happened."""
    try:
        yield
    except CallFailed:
        raise
    except Exception as error:
        secrets = settings.secrets if settings is not None else ()
        detail = redacted_text(f"{type(error).__name__}: {error}", secrets=secrets)
        raise Unknown(
            f"the adapter {uses} failed in a way it did not foresee: {detail}",
            evidence={"error": type(error).__name__},
            repeatable=adapter.is_repeatable(inputs=inputs),
        ) from error


def _prepared(
    *, uses: str, inputs: Mapping[str, object], connection: str | None
) -> tuple[Adapter, ConnectionSettings | None]:
    """This will find and check all that a call needs, so that what is wrong here was never sent."""
    try:
        adapter = registry.get_adapter(uses)
        settings = None if connection is None else queries.connection_settings(connection)
    except (UnknownAdapter, UnknownConnection) as error:
        raise Refused(str(error)) from error
    validator = registry.validator(uses)
    if not validator.is_valid(inputs):
        problems = [
            {"path": "/".join(["with", *map(str, error.instance_path)]), "problem": error.message}
            for error in validator.iter_errors(inputs)
        ]
        first = problems[0]
        raise Refused(
            f"the inputs of {uses} are wrong at {first['path']}: {first['problem']}",
            evidence={"problems": problems},
        )
    return adapter, settings


def _report(failure: CallFailed, *, uses: str, connection: str | None, context: CallContext, started_at: float) -> None:
    _log.warning(
        "integration.call",
        outcome=failure.kind,
        message=failure.message,
        status=failure.evidence.get("status"),
        retry_after_s=failure.retry_after_s,
        **_fields(uses, connection, context, started_at=started_at),
    )


def _fields(uses: str, connection: str | None, context: CallContext, *, started_at: float) -> Mapping[str, object]:
    return {
        "uses": uses,
        "connection": connection,
        "run_id": context.run_id,
        "step": context.step,
        "attempt": context.attempt,
        "correlation_id": context.correlation_id,
        "duration_ms": round((time.monotonic() - started_at) * 1000, 1),
    }


def _changed(
    before: Mapping[str, object],
    after: Mapping[str, object],
    *,
    name: str,
    actor: Actor,
    now: datetime,
    correlation_id: str,
) -> Event:
    return Event(
        kind=EventKind.CONNECTION_CHANGED,
        actor=actor,
        subject_type="connection",
        subject_id=name,
        correlation_id=correlation_id,
        at=now,
        payload={
            "before": {field: _plain(before[field]) for field in after if field in before},
            "after": {field: _plain(value) for field, value in after.items()},
        },
    )


def _plain(value: object) -> object:
    """This will write a value as the audit takes it: no floating-point numbers, no secrets."""
    return f"{value:g}" if isinstance(value, float) else redacted(value)
