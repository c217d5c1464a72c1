"""One attempt of an adapter, as the engine makes it, held against what the contract says of all of them."""

from typing import Any
from uuid import uuid4

import orjson

from integrations.adapters import secrecy
from integrations.contract import Adapter, CallContext, ConnectionSettings
from integrations.errors import CallFailed


def context(*, key: str | None = None, timeout_s: float = 40.0) -> CallContext:
    """This will be what the engine tells of a step."""
    return CallContext(
        idempotency_key=key or f"run-{uuid4()}/step",
        timeout_s=timeout_s,
        attempt=1,
        run_id=str(uuid4()),
        step="step",
        correlation_id="order-9",
    )


def attempt(
    adapter: Adapter,
    *,
    inputs: Any,  # Any: JSON
    connection: ConnectionSettings | None,
    key: str | None = None,
    timeout_s: float = 40.0,
) -> Any:  # Any: JSON
    """This will make one attempt; whatever comes out of it is JSON and holds no secret."""
    shown = ""
    try:
        output = adapter.call(inputs=inputs, connection=connection, context=context(key=key, timeout_s=timeout_s))
        shown = orjson.dumps(output).decode()
    except CallFailed as failure:
        shown = failure.message + orjson.dumps(failure.evidence).decode()
        raise
    finally:
        assert shown
        assert not [secret for secret in secrecy.known_secrets(connection) if secret in shown]
    return orjson.loads(shown)
