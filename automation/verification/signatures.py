"""Signatures: computed over the bytes as they came, compared in constant time; it trusts no header."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence

from automation.verification.contract import Reason, Unverified

ALGORITHMS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
_SECONDS = re.compile(r"[0-9]{1,12}")


def hmac_digest(secret: bytes, signed: bytes, *, algorithm: str = "sha256") -> bytes:
    """This will sign bytes."""
    return hmac.digest(secret, signed, ALGORITHMS[algorithm])


def fitting(secrets: Sequence[bytes], signed: bytes, *, given: Sequence[bytes], algorithm: str = "sha256") -> int:
    """This will give the place of the secret one of the given signatures was made with. Raises Unverified.

    Every secret is tried with every signature, whatever fits first: the time says nothing of which one did.
    """
    found = -1
    for place, secret in enumerate(secrets):
        expected = hmac_digest(secret, signed, algorithm=algorithm)
        for signature in given:
            if hmac.compare_digest(expected, signature) and found < 0:
                found = place
    if found < 0:
        raise Unverified(Reason.WRONG_SIGNATURE, "no signature of the request fits a secret of the source")
    return found


def decoded(text: str, *, encoding: str, header: str) -> bytes:
    """This will read a signature written in hex or base64. Raises Unverified.

    >>> decoded("0aFF", encoding="hex", header="X")
    b'\\n\\xff'
    """
    try:
        if encoding == "hex":
            return bytes.fromhex(text)
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise Unverified(Reason.MALFORMED, f"the signature in {header} is not {encoding}") from None


def check_time(text: str, *, header: str, tolerance_s: float, now: float) -> float:
    """This will read the instant of a signature and refuse one that is too far from now. Raises Unverified."""
    if not _SECONDS.fullmatch(text):
        raise Unverified(Reason.MALFORMED, f"the time in {header} is not unix seconds")
    at = float(text)
    if at < now - tolerance_s:
        raise Unverified(Reason.TOO_OLD, f"the time in {header} is more than {tolerance_s:g} s ago")
    if at > now + tolerance_s:
        raise Unverified(Reason.TOO_NEW, f"the time in {header} is more than {tolerance_s:g} s ahead")
    return at


def check_secrets(secrets: Sequence[str]) -> None:
    """This will refuse to believe anything while no secret is known. Raises Unverified."""
    if not any(secrets):
        raise Unverified(Reason.NO_SECRET, "the source has no secret that can be read")
