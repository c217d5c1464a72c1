"""Encrypts secrets at rest with AES-256-GCM under a ring of keys; it never reads the environment or a table.

Each ciphertext is bound to its row by what is authenticated beside it (NIST SP 800-38D): copied to another row, it does
not open.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from integrations.secret_stores.keys import KeyRing

NONCE_BYTES = 12


class NotOpened(Exception):
    """A ciphertext did not open: its key is not in the ring, or it is not what was written to this row."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is stored."""

    key_id: str
    nonce: bytes
    ciphertext: bytes


def seal(secret: str, *, ring: KeyRing, row: str, nonce: bytes) -> Sealed:
    """This will encrypt a secret for a row. `nonce`: 12 random bytes, never used twice with a key."""
    ciphertext = AESGCM(ring.keys[ring.current]).encrypt(nonce, secret.encode(), row.encode())
    return Sealed(ring.current, nonce, ciphertext)


def opened(sealed: Sealed, *, ring: KeyRing, row: str) -> str:
    """This will decrypt what was sealed for this row. Raises NotOpened."""
    key = ring.keys.get(sealed.key_id)
    if key is None:
        raise NotOpened(f"its key {sealed.key_id} is not in SECRETS_KEYS: add it there")
    try:
        return AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, row.encode()).decode()
    except InvalidTag:
        raise NotOpened(f"it was not encrypted for this row with the key {sealed.key_id}") from None
