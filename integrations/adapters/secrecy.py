"""What leaves an adapter holds no secret of its connection: neither its failures, nor its output, nor its health."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from audit.redaction import redacted, redacted_text, without_secrets
from integrations.contract import ConnectionSettings, Health
from integrations.errors import CallFailed

_SHORTEST_SECRET = 6
_LONGEST_DETAIL = 300


@contextmanager
def masked(connection: ConnectionSettings | None) -> Iterator[None]:
    """This will mask the secrets of a connection in what fails inside the block, message and evidence."""
    secrets = known_secrets(connection)
    try:
        yield
    except CallFailed as failure:
        evidence = redacted(failure.evidence, secrets=secrets)
        raise type(failure)(
            redacted_text(failure.message, secrets=secrets),
            retry_after_s=failure.retry_after_s,
            evidence=evidence if isinstance(evidence, Mapping) else None,
            repeatable=failure.repeatable,
        ) from None  # its cause repeats what was masked


def masked_output(value: object, *, connection: ConnectionSettings | None) -> object:
    """This will copy JSON-compatible output with the secrets of a connection masked wherever a text holds one.

    Secrets of fewer than six characters are left: they are in every text.
    """
    secrets = [secret for secret in known_secrets(connection) if len(secret) >= _SHORTEST_SECRET]
    return without_secrets(value, secrets=secrets) if secrets else value


def health(connection: ConnectionSettings, *, find_out: Callable[[], str]) -> Health:
    """This will be the health that `find_out` finds: well with the detail it returns, else what it raises."""
    try:
        with masked(connection):
            return Health(is_well=True, detail=find_out())
    except CallFailed as failure:
        return Health(is_well=False, detail=failure.message[:_LONGEST_DETAIL])
    except Exception as error:  # noqa: BLE001  a probe raises nothing: what it did not foresee is not well either
        detail = redacted_text(f"{type(error).__name__}: {error}", secrets=known_secrets(connection))
        return Health(is_well=False, detail=detail[:_LONGEST_DETAIL])


def known_secrets(connection: ConnectionSettings | None) -> Sequence[str]:
    """This will give the secret values of a connection."""
    if connection is None:
        return ()
    return [secret for secret in {*connection.secrets, *connection.secret_values.values()} if secret]
