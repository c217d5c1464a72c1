"""Masks the secrets of a connection in whatever comes back from a call, before anybody stores or logs it."""

from collections.abc import Collection
from typing import cast

import orjson

from audit.redaction import redacted_text, without_secrets
from integrations.contract import ConnectionSettings
from integrations.errors import CallFailed

_SHORTEST = 4
"""A shorter one would be found in everything."""


def output(value: object, *, settings: ConnectionSettings | None) -> object:
    """This will mask the secrets a peer has sent back."""
    secrets = _secrets(settings)
    return without_secrets(value, secrets=secrets) if secrets and _may_hold(value, secrets=secrets) else value


def failure(failed: CallFailed, *, settings: ConnectionSettings | None) -> None:
    """This will mask the secrets in what a failure says, in place."""
    secrets = _secrets(settings)
    if secrets:
        failed.message = redacted_text(failed.message, secrets=secrets)
        failed.evidence = cast("dict[str, object]", without_secrets(dict(failed.evidence), secrets=secrets))
        failed.args = (failed.message,)


def _may_hold(value: object, *, secrets: Collection[str]) -> bool:
    """Most answers hold none: looking at them as one text is a hundred times quicker than at each of their parts."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return True
    return any(secret in text for secret in secrets)


def _secrets(settings: ConnectionSettings | None) -> Collection[str]:
    return () if settings is None else [secret for secret in settings.secrets if len(secret) >= _SHORTEST]
