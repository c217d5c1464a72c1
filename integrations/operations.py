"""What can be done with the outside: make a call, save a connection; it never calls in a transaction."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from audit.redaction import redacted, redacted_text
from integrations import connections, gate, http_async, kinds, masking, probes, queries, registry, renewal
from integrations.calls import recording
from integrations.calls import store as ledger
from integrations.calls.course import Attempt
from integrations.calls.settling import Finding as Finding
from integrations.calls.settling import settle_call as settle_call
from integrations.connections import ConnectionSpec
from integrations.contract import Adapter, AsyncAdapter, CallContext, ConnectionSettings, FilesApart
from integrations.errors import CallFailed, Denied, Refused, Unknown, UnknownAdapter, UnknownConnection
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
        began = time.monotonic()
        with _passing(settings, context=context, rate_key=rate_key):
            try:
                return _attempt(adapter, uses=uses, inputs=inputs, settings=settings, context=context)
            except Denied:
                again = renewal.renewed(settings, context=context, began=began)
                if again is None:
                    raise
            return _attempt(adapter, uses=uses, inputs=inputs, settings=again.settings, context=again.context)


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
        began = time.monotonic()
        async with _apassing(settings, context=context, rate_key=rate_key):
            try:
                return await _aattempt(adapter, uses=uses, inputs=inputs, settings=settings, context=context)
            except Denied:
                again = await asyncio.to_thread(renewal.renewed, settings, context=context, began=began)
                if again is None:
                    raise
            return await _aattempt(adapter, uses=uses, inputs=inputs, settings=again.settings, context=again.context)


async def hang_up() -> None:
    """This will close the connections of the running event loop."""
    await http_async.close_connections()


def is_repeatable(*, uses: str, inputs: Mapping[str, object]) -> bool:
    """This will tell whether another attempt may follow one whose outcome nobody knows.

    It may where the peer takes both for the same, and where what has happened is looked up first. Raises
    UnknownAdapter.
    """
    return recording.ability_of(registry.get_adapter(uses), inputs=inputs).may_follow


def may_follow_loss(*, uses: str, inputs: Mapping[str, object], run_id: UUID, key: str) -> bool:
    """This will tell whether another attempt may be begun behind one whose worker died.

    It may where the ledger knows what came of it, where the peer takes both for the same, and where what has happened
    can be looked up. Raises UnknownAdapter.
    """
    ability = recording.ability_of(registry.get_adapter(uses), inputs=inputs)
    if ability.is_safe or ability.can_repeat:
        return True
    known = ledger.find(run_id=run_id, key=UUID(key))
    return known is not None and (known.happened is not None or ability.can_look_up)


def save_connection(*, spec: ConnectionSpec, actor: Actor, now: datetime, correlation_id: str) -> bool:
    """This will add a connection, or change it to what `spec` says, and tell whether anything changed.

    Saying the same twice changes and audits nothing the second time. Raises WrongConnection.
    """
    connections.check(spec)
    wanted = {**asdict(spec), "allowed_hosts": tuple(spec.allowed_hosts)}
    with transaction.atomic():
        row, is_new = Connection.objects.select_for_update().get_or_create(
            name=spec.name, defaults={**wanted, "created_at": now, "updated_at": now}
        )
        before = {} if is_new else asdict(queries.spec_of(row))
        changed = {name: value for name, value in wanted.items() if is_new or value != before[name]}
        if not changed:
            return False
        if not is_new:
            Connection.objects.filter(pk=row.pk).update(**changed, updated_at=now, **probes.NOT_PROBED)
        audit.record(_changed(before, changed, name=spec.name, actor=actor, now=now, correlation_id=correlation_id))
        transaction.on_commit(queries.forget_connections)
    return True


def _attempt(
    adapter: Adapter,
    *,
    uses: str,
    inputs: Mapping[str, object],
    settings: ConnectionSettings | None,
    context: CallContext,
) -> object:
    """Calls of steps are written down; others are made as they are."""
    foreseen = partial(_foreseen, adapter, uses=uses, inputs=inputs, settings=settings)
    recorded = _recorded(adapter, inputs=inputs, settings=settings, context=context)
    if recorded is not None:
        return recording.call(recorded, adapter=adapter, foreseen=foreseen)
    with foreseen():
        output = adapter.call(inputs=inputs, connection=settings, context=context)
        return masking.output(output, settings=settings)


async def _aattempt(
    adapter: AsyncAdapter,
    *,
    uses: str,
    inputs: Mapping[str, object],
    settings: ConnectionSettings | None,
    context: CallContext,
) -> object:
    foreseen = partial(_foreseen, adapter, uses=uses, inputs=inputs, settings=settings)
    recorded = _recorded(adapter, inputs=inputs, settings=settings, context=context)
    if recorded is not None:
        return await recording.acall(recorded, adapter=adapter, foreseen=foreseen)
    with foreseen():
        output = await adapter.acall(inputs=inputs, connection=settings, context=context)
        return masking.output(output, settings=settings)


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


def _recorded(
    adapter: Adapter, *, inputs: Mapping[str, object], settings: ConnectionSettings | None, context: CallContext
) -> Attempt | None:
    """The attempt as the ledger takes it; None where no step of a run makes the call."""
    if context.origin is None:
        return None
    return Attempt(
        uses=adapter.name,
        inputs=inputs,
        connection=settings,
        context=context,
        origin=context.origin,
        ability=recording.ability_of(adapter, inputs=inputs, connection=settings),
        keeps_files_apart=isinstance(adapter, FilesApart) and adapter.keeps_files_apart,
    )


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
    except CallFailed as failed:
        masking.failure(failed, settings=settings)
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
    _refuse_another_kind(adapter, settings=settings)
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


def _refuse_another_kind(adapter: Adapter, *, settings: ConnectionSettings | None) -> None:
    wanted = kinds.by_use().get(adapter.name)
    if settings is not None and wanted is not None and wanted != settings.kind:
        raise Refused(kinds.mismatch(uses=adapter.name, wanted=wanted, connection=settings.name, kind=settings.kind))


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
            "before": {field: _told(field, before[field]) for field in after if field in before},
            "after": {field: _told(field, value) for field, value in after.items()},
        },
    )


def _told(field: str, value: object) -> object:
    """This will write a value as the audit takes it: no secrets, but where they are."""
    if field == "secrets" and isinstance(value, Mapping):
        return [f"{name}: {reference}" for name, reference in sorted(value.items())]
    return _plain(redacted(value))


def _plain(value: object) -> object:
    """The audit takes no floating-point numbers."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return f"{value:g}" if isinstance(value, float) else value
