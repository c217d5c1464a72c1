"""Signs what is sent, by Standard Webhooks 1.0: each secret gives a signature, so that one is rotated with an overlap.

`whsec_` and base64 of 24 to 64 bytes signs with HMAC-SHA256 (`v1`), `whsk_` and base64 of 32 bytes with ed25519
(`v1a`).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SYMMETRIC, _PRIVATE = "whsec_", "whsk_"
HINT = "whsec_ and base64 of 24 to 64 bytes, or whsk_ and base64 of an ed25519 private key of 32 bytes"


def headers(*, message_id: str, at: int, body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """This will give the three headers of a message; `at` in unix seconds. Raises ValueError for a wrong secret."""
    signed = f"{message_id}.{at}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def problem_of(secret: str) -> str | None:
    """This will say what is wrong with a secret, never the secret.

    >>> problem_of("hush")
    'must be whsec_ and base64 of 24 to 64 bytes, or whsk_ and base64 of an ed25519 private key of 32 bytes'
    """
    try:
        _signature(secret, b"")
    except ValueError:
        return f"must be {HINT}"
    return None


def _signature(secret: str, signed: bytes) -> str:
    if secret.startswith(_PRIVATE):
        key = Ed25519PrivateKey.from_private_bytes(_decoded(secret.removeprefix(_PRIVATE), lengths=range(32, 33)))
        return f"v1a,{base64.b64encode(key.sign(signed)).decode()}"
    if not secret.startswith(_SYMMETRIC):
        raise ValueError("neither whsec_ nor whsk_")
    value = _decoded(secret.removeprefix(_SYMMETRIC), lengths=range(24, 65))
    return f"v1,{base64.b64encode(hmac.new(value, signed, hashlib.sha256).digest()).decode()}"


def _decoded(text: str, *, lengths: range) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(value) not in lengths:
        raise ValueError(f"{len(value)} bytes")
    return value
