"""The ring of keys under which secrets are stored: reads and writes it as text; it never encrypts.

A ring is written `new:BASE64,old:BASE64`: the first key encrypts, all of them decrypt.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

KEY_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")


class WrongKeys(ValueError):
    """A ring cannot be read; the message repeats no key."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys by id, the one that encrypts first."""

    keys: Mapping[str, bytes] = field(repr=False)

    @property
    def current(self) -> str:
        """This will name the key that encrypts."""
        return next(iter(self.keys))


def read_ring(text: str) -> KeyRing:
    """This will read a ring of keys. Raises WrongKeys.

    >>> read_ring("a:" + "A" * 43 + "=").current
    'a'
    """
    keys: dict[str, bytes] = {}
    for number, part in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        key_id, colon, written = part.partition(":")
        if not colon or _ID.fullmatch(key_id) is None:
            raise WrongKeys(f"key {number} must be written id:BASE64; `automation secrets key` makes one")
        if key_id in keys:
            raise WrongKeys(f"two keys are called {key_id}")
        try:
            keys[key_id] = base64.b64decode(written, validate=True)
        except binascii.Error:
            raise WrongKeys(f"the key {key_id} is no base64") from None
        if len(keys[key_id]) != KEY_BYTES:
            raise WrongKeys(f"the key {key_id} must have {KEY_BYTES} bytes, it has {len(keys[key_id])}")
    return KeyRing(keys)


def new_key(*, key_id: str, random: bytes) -> str:
    """This will write a key as the ring has it. `random`: 32 random bytes."""
    return f"{key_id}:{base64.b64encode(random).decode()}"
