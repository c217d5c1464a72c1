"""Secrets of connections, found at the moment of a call; it never stores, caches or logs one.

A reference says where a secret is: `env:PAYMENTS_TOKEN` is the environment variable of that name.
"""

import os
import re

from integrations.errors import Refused

_REFERENCE = re.compile(r"env:([A-Z][A-Z0-9_]*)")
_OUR_OWN = frozenset({"SECRET_KEY", "DATABASE_URL", "BROKER_URL", "REDIS_URL"})


def problem_of(reference: str) -> str | None:
    """This will say what is wrong with a reference, None when nothing is.

    >>> problem_of("env:PAYMENTS_TOKEN")
    >>> problem_of("s3cr3t")
    'must be env: and the name of an environment variable in capitals, such as env:PAYMENTS_TOKEN'
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return "must be env: and the name of an environment variable in capitals, such as env:PAYMENTS_TOKEN"
    if match[1] in _OUR_OWN:
        return f"{match[1]} is a secret of the platform itself: it may be sent nowhere"
    return None


def resolve(reference: str, *, connection: str) -> str:
    """This will find the secret that a connection refers to. Raises Refused when it is not there."""
    problem = problem_of(reference)
    if problem is not None:
        raise Refused(f"the secret reference of connection {connection}: {problem}")
    variable = reference.removeprefix("env:")
    secret = os.environ.get(variable, "")
    if not secret:
        raise Refused(f"connection {connection} needs the environment variable {variable}: set it on workers")
    if not (secret.isascii() and secret.isprintable() and secret == secret.strip()):
        raise Refused(
            f"the environment variable {variable} of connection {connection} holds what no header can: "
            "it must be printable ASCII without blanks or line ends around it"
        )
    return secret
