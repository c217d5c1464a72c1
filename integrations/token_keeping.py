"""Keeps refresh tokens that were exchanged for others, where the connection's own is in the table of secrets."""

from datetime import UTC, datetime

import structlog
from django.db import DatabaseError

from audit.events import Actor, ActorKind
from integrations import secret_operations
from integrations.errors import WrongSecret
from integrations.secret_stores import contract

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def keep(reference: str, token: str) -> bool:
    """This will store a new refresh token in place of the one a reference names; False: it could not be kept there."""
    parsed = contract.parse(reference)
    if parsed.store != "db":
        return False
    actor = Actor(kind=ActorKind.ENGINE)
    try:
        secret_operations.set_secret(name=parsed.place, value=token, actor=actor, now=datetime.now(UTC))
    except (DatabaseError, WrongSecret) as error:  # the call it was fetched for can be made all the same
        _log.error("refresh_token_not_kept", reference=reference, error=type(error).__name__)
        return False
    return True
