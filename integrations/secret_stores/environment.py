"""Secrets in the environment of the process: read at each call, never kept."""

import os
import re

from integrations.secret_stores.contract import Fetched, Missing, Reference

name = "env"
example = "env:PAYMENTS_TOKEN"
is_kept = False
OUR_OWN = frozenset(
    {
        "SECRET_KEY",
        "DATABASE_URL",
        "BROKER_URL",
        "REDIS_URL",
        "EMAIL_URL",
        "SECRETS_KEYS",
        "VAULT_TOKEN",
        "VAULT_ROLE_ID",
        "VAULT_SECRET_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    }
)
"""What the platform itself lives on, its keys to the other stores among it."""
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def problem_of(reference: Reference) -> str | None:
    """This will refuse what is no name of a variable, and the platform's own secrets."""
    if reference.field or _VARIABLE.fullmatch(reference.place) is None:
        return f"must be env: and the name of an environment variable in capitals, such as {example}"
    if reference.place in OUR_OWN:
        return f"{reference.place} is a secret of the platform itself: it may be sent nowhere"
    return None


def fetch(place: str) -> Fetched:
    """This will read a variable. Raises Missing when it is not set."""
    secret = os.environ.get(place, "")
    if not secret:
        raise Missing(f"the environment variable {place} is not set: set it on workers")
    return Fetched(fields={"": secret})
