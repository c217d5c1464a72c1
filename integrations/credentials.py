"""Secrets of connections, found at the moment of a call; it never stores or logs one.

A reference says where a secret is, such as `env:PAYMENTS_TOKEN` or `vault:secret/payments#token`; see
`integrations.secret_stores`. What a store answered is kept for SECRET_LEASE_S in the memory of this process.
"""

import base64
import functools
import importlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from typing import cast
from urllib.parse import quote, quote_plus

from django.conf import settings

from integrations.errors import Refused, Unavailable
from integrations.secret_stores.cache import Bounds, Cache
from integrations.secret_stores.contract import Away, Fetched, Missing, Reference, Store, parse

_STORES: Mapping[str, str] = {
    "env": "integrations.secret_stores.environment",
    "db": "integrations.secret_stores.table",
    "vault": "integrations.secret_stores.vault",
    "aws": "integrations.secret_stores.aws",
}
_KNOWN = "must say where the secret is: env:NAME, db:NAME, vault:MOUNT/PATH#FIELD or aws:NAME#FIELD"
_SHORTEST_ENCODED = 4
_MOMENT_S = 0.05

_cache = Cache(clock=time.monotonic)


def problem_of(reference: str) -> str | None:
    """This will say what is wrong with a reference, None when nothing is. It never repeats it: it may be a secret.

    >>> problem_of("env:PAYMENTS_TOKEN")
    >>> problem_of("s3cr3t")
    'must say where the secret is: env:NAME, db:NAME, vault:MOUNT/PATH#FIELD or aws:NAME#FIELD'
    """
    parsed = parse(reference)
    return _store(parsed.store).problem_of(parsed) if parsed.store in _STORES else _KNOWN


def resolve(reference: str, *, connection: str) -> str:
    """This will find the secret that a connection sends in a header. Raises as `reveal`, and Refused when none can."""
    secret = reveal(reference, connection=connection)
    if not (secret.isascii() and secret.isprintable() and secret == secret.strip()):
        raise Refused(
            f"the secret {reference} of connection {connection} is what no header can hold: "
            "it must be printable ASCII without blanks or line ends around it"
        )
    return secret


def reveal(reference: str, *, connection: str) -> str:
    """This will find a secret that a connection refers to, of whatever form.

    Raises Refused when it is not there, Unavailable when its store is away and what was known of it is too old.
    """
    problem = problem_of(reference)
    if problem is not None:
        raise Refused(f"the secret reference of connection {connection}: {problem}")
    parsed = parse(reference)
    try:
        fields = _fetched(parsed).fields
    except Missing as error:
        raise Refused(f"connection {connection} has no secret {reference}: {error}") from error
    except Away as error:
        raise Unavailable(f"the secret {reference} of connection {connection} was not read: {error}") from error
    secret = fields.get(parsed.field, "")
    if not secret:
        known = ", ".join(sorted(filter(None, fields))) or "none"
        raise Refused(f"connection {connection} has no secret {reference}: the fields there are {known}")
    return secret


def is_at_hand(reference: str) -> bool:
    """This will tell whether `reveal` asks nobody, now and a moment from now."""
    parsed = parse(reference)
    if parsed.store not in _STORES or not _store(parsed.store).is_kept:
        return True
    return _cache.is_fresh(_key(parsed), for_s=_MOMENT_S)


def hint(references: Iterable[str]) -> None:
    """This will have the stores of these secrets asked again, for a peer did not take them; not more often than 5 s."""
    for parsed in map(parse, references):
        _cache.hint(_key(parsed), bounds=_bounds())


def forget(reference: str | None = None) -> None:
    """This will forget what a store said at a place, or all that is kept in this process."""
    _cache.forget(None if reference is None else _key(parse(reference)))


def shapes(secret: str) -> tuple[str, ...]:
    """This will give a secret in every shape a peer or a library may repeat it in, the plain one first.

    >>> shapes("a b/c")
    ('a b/c', 'YSBiL2M=', 'a%20b/c', 'a%20b%2Fc', 'a+b%2Fc')
    """
    if len(secret) < _SHORTEST_ENCODED:
        return (secret,)
    encoded = base64.b64encode(secret.encode()).decode()
    in_urls = (quote(secret), quote(secret, safe=""), quote_plus(secret))
    in_json = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    return tuple(dict.fromkeys((secret, encoded, *in_urls, *in_json)))


def _fetched(reference: Reference) -> Fetched:
    store = _store(reference.store)
    if not store.is_kept:
        return store.fetch(reference.place)
    return _cache.get(_key(reference), fetch=lambda: store.fetch(reference.place), bounds=_bounds())


def _key(reference: Reference) -> str:
    return f"{reference.store}:{reference.place}"


def _bounds() -> Bounds:
    return Bounds(fresh_s=settings.SECRET_LEASE_S, stale_s=settings.SECRET_STALE_S)


@functools.cache
def _store(name: str) -> Store:
    """A store is imported when it is first named: most processes need none of their libraries."""
    return cast("Store", importlib.import_module(_STORES[name]))


# A thread of the parent may have held one of the locks.
os.register_at_fork(after_in_child=forget)
