"""Finds out whether secrets that are referred to can be read; it gives none away."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from integrations import credentials
from integrations.errors import Refused, Unavailable
from integrations.models import Connection
from integrations.secret_stores.contract import parse

_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Stores that do not answer, and secrets that are not there, each with what was said."""

    away: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def references() -> Mapping[str, str]:
    """This will give the references of all connections, each with a connection that uses it."""
    rows = Connection.objects.order_by("name").values_list("name", "secret_reference", "secrets")
    return {reference: name for name, sent, named in rows for reference in (sent, *named.values()) if reference}


def look(users: Mapping[str, str]) -> Health:
    """This will try to read each reference, for the user behind it; a store that is away is asked once."""
    away: dict[str, str] = {}
    missing: dict[str, str] = {}
    for reference, user in _sorted(users.items()):
        store = parse(reference).store
        if store in away:
            continue
        try:
            credentials.reveal(reference, connection=user)
        except Unavailable as error:
            away[store] = str(error)[:_LONGEST]
        except Refused as error:
            missing[reference if credentials.problem_of(reference) is None else user] = str(error)[:_LONGEST]
    return Health(away=away, missing=missing)


def _sorted(users: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(users)
