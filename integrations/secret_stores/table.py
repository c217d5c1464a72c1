"""Secrets in the platform's own table, encrypted under the ring of keys in SECRETS_KEYS; it only reads it."""

import re

from django.conf import settings
from django.db import DatabaseError

from integrations.models import StoredSecret
from integrations.secret_stores import cipher
from integrations.secret_stores.cipher import NotOpened, Sealed
from integrations.secret_stores.contract import Away, Fetched, Missing, Reference
from integrations.secret_stores.keys import KeyRing, WrongKeys, read_ring

name = "db"
example = "db:payments-token"
is_kept = True
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


def problem_of(reference: Reference) -> str | None:
    """This will want the name of a secret as `automation secrets` has it."""
    if reference.field or NAME.fullmatch(reference.place) is None:
        return f"must be db: and the name of a stored secret, such as {example}"
    return None


def fetch(place: str) -> Fetched:
    """This will read a row and open it. Raises Missing or Away."""
    try:
        row = StoredSecret.objects.filter(name=place).first()
    except DatabaseError as error:
        raise Away(f"the table of secrets was not read: {type(error).__name__}") from error
    if row is None:
        raise Missing(f"there is no stored secret {place}: `automation secrets set {place}` makes it")
    return Fetched(fields={"": opened(row, ring=ring())})


def opened(row: StoredSecret, *, ring: KeyRing) -> str:
    """This will decrypt a row. Raises Missing when it does not open."""
    sealed = Sealed(key_id=row.key_id, nonce=bytes(row.nonce), ciphertext=bytes(row.ciphertext))
    try:
        return cipher.opened(sealed, ring=ring, row=row.bound_to)
    except NotOpened as error:
        raise Missing(f"the stored secret {row.name} does not open: {error}") from error


def ring() -> KeyRing:
    """This will read the ring of keys. Raises Missing when there is none."""
    try:
        found = read_ring(settings.SECRETS_KEYS)
    except WrongKeys as error:
        raise Missing(f"SECRETS_KEYS cannot be read: {error}") from error
    if not found.keys:
        raise Missing("SECRETS_KEYS is not set: `automation secrets key` makes a key for it")
    return found
