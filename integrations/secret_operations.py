"""Stores secrets, takes them away, moves them to the current key; no value is ever audited, logged or given back."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.db import IntegrityError, transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from integrations import credentials, secret_users
from integrations.errors import SecretInUse, UnknownSecret, WrongSecret
from integrations.models import StoredSecret
from integrations.secret_stores import cipher, table
from integrations.secret_stores.contract import Missing
from integrations.secret_stores.keys import KeyRing

_LONGEST_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """How many secrets were encrypted anew, and why others, by name, do not open."""

    done: int
    closed: Mapping[str, str]


def set_secret(
    *, name: str, value: str, description: str | None = None, actor: Actor, now: datetime
) -> tuple[StoredSecret, bool]:
    """This will store a secret, or give it another value; gives its row and whether it is new.

    Processes use the new value after SECRET_LEASE_S at the latest, this one at once. Raises WrongSecret.
    """
    check(name=name, value=value)
    try:
        return _set(name=name, value=value, description=description, actor=actor, now=now)
    except IntegrityError:  # somebody else has made it at the same moment: now it is there
        return _set(name=name, value=value, description=description, actor=actor, now=now)


def check(*, name: str, value: str) -> None:
    """This will raise WrongSecret, with what would be right for each field, unless a secret can be stored so."""
    problems = {}
    if table.NAME.fullmatch(name) is None:
        problems["name"] = "must be lower-case letters, digits, - and _"
    if not value:
        problems["value"] = "must not be empty"
    elif len(value.encode()) > _LONGEST_BYTES:
        problems["value"] = f"must be at most {_LONGEST_BYTES} bytes"
    if problems:
        raise WrongSecret(problems)


def delete_secret(*, name: str, actor: Actor, now: datetime) -> None:
    """This will take a secret away that nothing refers to. Raises UnknownSecret or SecretInUse."""
    with transaction.atomic():
        row = StoredSecret.objects.filter(name=name).first()
        if row is None:
            raise UnknownSecret(f"there is no stored secret {name!r}")
        used_by = secret_users.users_of(f"{table.name}:{name}")[f"{table.name}:{name}"]
        if used_by:
            raise SecretInUse(f"the secret {name} is used by {', '.join(used_by)}: refer to another one there first")
        if not StoredSecret.objects.filter(pk=row.pk).delete()[0]:
            raise UnknownSecret(f"there is no stored secret {name!r}: somebody else has deleted it")
        _audit(EventKind.SECRET_DELETED, row, actor=actor, now=now, payload={"version": row.version})
        transaction.on_commit(lambda: credentials.forget(f"{table.name}:{name}"))


def reseal(*, actor: Actor, now: datetime) -> Resealed:
    """This will encrypt with the current key whatever was encrypted with another, as far as it opens.

    It may be ended and begun again at any time: each one commits, and everything opens before, during and after.
    """
    ring = _ring()
    done, closed = 0, {}
    for pk in list(StoredSecret.objects.exclude(key_id=ring.current).order_by("name").values_list("pk", flat=True)):
        with transaction.atomic():
            row = StoredSecret.objects.select_for_update().exclude(key_id=ring.current).filter(pk=pk).first()
            if row is None:  # deleted, or given another value meanwhile
                continue
            before = row.key_id
            try:
                value = table.opened(row, ring=ring)
            except Missing as error:
                closed[row.name] = str(error)
                continue
            _seal(row, value=value, ring=ring)
            row.save(update_fields=["key_id", "nonce", "ciphertext"])
            _audit(EventKind.SECRET_RESEALED, row, actor=actor, now=now, payload={"before": before, "key": row.key_id})
        done += 1
    return Resealed(done=done, closed=closed)


def _set(*, name: str, value: str, description: str | None, actor: Actor, now: datetime) -> tuple[StoredSecret, bool]:
    ring = _ring()
    with transaction.atomic():
        row = StoredSecret.objects.select_for_update().filter(name=name).first()
        is_new = row is None
        if row is None:
            row = StoredSecret(id=uuid4(), name=name, version=0, created_at=now)
        row.version += 1
        row.description = row.description if description is None else description
        row.updated_at, row.updated_by = now, str(actor)
        _seal(row, value=value, ring=ring)
        row.save(force_insert=is_new)
        _audit(EventKind.SECRET_SET, row, actor=actor, now=now, payload={"version": row.version, "key": row.key_id})
        transaction.on_commit(lambda: credentials.forget(f"{table.name}:{name}"))
    return row, is_new


def _seal(row: StoredSecret, *, value: str, ring: KeyRing) -> None:
    sealed = cipher.seal(value, ring=ring, row=row.bound_to, nonce=os.urandom(cipher.NONCE_BYTES))
    row.key_id, row.nonce, row.ciphertext = sealed.key_id, sealed.nonce, sealed.ciphertext


def _ring() -> KeyRing:
    try:
        return table.ring()
    except Missing as error:
        raise WrongSecret({"SECRETS_KEYS": str(error)}) from error


def _audit(kind: EventKind, row: StoredSecret, *, actor: Actor, now: datetime, payload: dict[str, object]) -> None:
    audit.record(
        Event(
            kind=kind,
            actor=actor,
            subject_type="secret",
            subject_id=row.name,
            correlation_id="",
            at=now,
            payload=payload,
        )
    )
