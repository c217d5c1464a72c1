"""Standard Webhooks 1.0: `v1` (HMAC-SHA256) and `v1a` (ed25519), several keys at once.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from automation.verification import signatures
from automation.verification.contract import Options, Reason, Request, Told, Unverified, Verified
from automation.verification.presets.base import CLOUDEVENTS, TOLERANCE, Plain, schema_of, tolerance_s
from automation.verification.reading import object_of, text_at

_NAMES = ("webhook", "svix")  # the second is how many senders called them before the specification
_PUBLIC, _SECRET = "whpk_", "whsec_"


class Standard(Plain):
    """Keeps `contract.Preset`."""

    name = "standard"
    title = "Standard Webhooks 1.0"
    key_hint = "whsec_ and base64 of 24 to 64 bytes, or whpk_ and base64 of an ed25519 public key"
    schema = schema_of(tolerance_s=TOLERANCE, cloudevents=CLOUDEVENTS)

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe a request of which any listed signature fits any key. Raises Unverified."""
        signatures.check_secrets(secrets)
        prefix = _prefix(request)
        delivery, sent = request.header(f"{prefix}-id"), request.header(f"{prefix}-timestamp")
        listed = request.header(f"{prefix}-signature").split()
        header = f"{prefix}-timestamp"
        at = signatures.check_time(sent, header=header, tolerance_s=tolerance_s(options), now=now)
        signed = f"{delivery}.{sent}.".encode() + request.body
        place = _fitting(secrets, signed, listed=listed)
        if place is None:
            raise Unverified(Reason.WRONG_SIGNATURE, f"no signature in {prefix}-signature fits a key of the source")
        return Verified(key=place, signed_at=at)

    def tell(self, request: Request, *, options: Options) -> Told:
        """This will read a payload with `type`, `timestamp` and `data`; without `type` it is a `webhook`."""
        body = object_of(request)
        return Told(
            id=request.header(f"{_prefix(request)}-id"),
            type=text_at(body, "type") or "webhook",
            data=body.get("data", body) if "type" in body else body,
            time=text_at(body, "timestamp"),
        )

    def secret_problem(self, secret: str) -> str | None:
        """This will say whether a key can be used."""
        try:
            if secret.startswith(_PUBLIC):
                _public_key(secret)
                return None
            length = len(_key(secret))
        except ValueError:
            return f"must be {self.key_hint}"
        return None if 24 <= length <= 64 else f"must be {self.key_hint}: this has {length} bytes"


def _prefix(request: Request) -> str:
    return next((name for name in _NAMES if f"{name}-signature" in request.headers), _NAMES[0])


def _fitting(secrets: Sequence[str], signed: bytes, *, listed: Sequence[str]) -> int | None:
    symmetric = [_signature(text) for text in listed if text.startswith("v1,")]
    asymmetric = [_signature(text) for text in listed if text.startswith("v1a,")]
    for place, secret in enumerate(secrets):
        try:
            if secret.startswith(_PUBLIC):
                if any(_is_signed(_public_key(secret), signed, signature) for signature in asymmetric):
                    return place
            elif secret:
                signatures.fitting([_key(secret)], signed, given=symmetric)
                return place
        except (Unverified, ValueError):
            continue  # the next key may fit
    return None


def _signature(text: str) -> bytes:
    try:
        return base64.b64decode(text.partition(",")[2], validate=True)
    except binascii.Error:
        return b""


def _is_signed(key: Ed25519PublicKey, signed: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _key(secret: str) -> bytes:
    """Raises ValueError."""
    return base64.b64decode(secret.removeprefix(_SECRET), validate=True)


def _public_key(secret: str) -> Ed25519PublicKey:
    """Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(secret.removeprefix(_PUBLIC), validate=True))
