"""Stripe: `Stripe-Signature: t=...,v1=...`, an HMAC-SHA256 over time and body.

Source: https://docs.stripe.com/webhooks#verify-manually
"""

from collections.abc import Sequence

from automation.verification import signatures
from automation.verification.contract import Options, Reason, Request, Told, Unverified, Verified
from automation.verification.presets.base import TOLERANCE, Plain, schema_of, tolerance_s
from automation.verification.reading import object_of, required, text_at

_HEADER = "Stripe-Signature"


class Stripe(Plain):
    """Keeps `contract.Preset`."""

    name = "stripe"
    title = "Stripe"
    key_hint = "the signing secret of the endpoint, whsec_..."
    schema = schema_of(tolerance_s=TOLERANCE)

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe a request of which any `v1` fits. Raises Unverified."""
        signatures.check_secrets(secrets)
        pairs = [part.strip().partition("=")[::2] for part in request.header(_HEADER).split(",")]
        sent = next((value for name, value in pairs if name == "t"), "")
        given = [signatures.decoded(value, encoding="hex", header=_HEADER) for name, value in pairs if name == "v1"]
        if not given:
            raise Unverified(Reason.MALFORMED, f"{_HEADER} has no v1 signature")
        at = signatures.check_time(sent, header=_HEADER, tolerance_s=tolerance_s(options), now=now)
        keys = [secret.encode() for secret in secrets if secret]
        place = signatures.fitting(keys, f"{sent}.".encode() + request.body, given=given)
        return Verified(key=place, signed_at=at)

    def tell(self, request: Request, *, options: Options) -> Told:
        """This will read an event of Stripe. Raises Untold."""
        body = object_of(request)
        return Told(
            id=required(body, "id"),
            type=required(body, "type"),
            data=body,
            subject=text_at(body, "data.object.id"),
        )
