"""HubSpot, version 3: `X-HubSpot-Signature-v3`, an HMAC-SHA256 over method, address, body and time in milliseconds.

The address is that which HubSpot was given, so it is an option: behind a proxy a request has another.
Source: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from automation.verification import signatures
from automation.verification.contract import Options, Reason, Request, Told, Untold, Unverified, Verified
from automation.verification.presets.base import TOLERANCE, Plain, schema_of, tolerance_s
from automation.verification.reading import body_of, text_at

_HEADER, _TIME = "X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp"


class HubSpot(Plain):
    """Keeps `contract.Preset`."""

    name = "hubspot"
    title = "HubSpot"
    key_hint = "the client secret of the app"
    schema: Mapping[str, Any] = {
        **schema_of(
            url={
                "type": "string",
                "pattern": "^https?://",
                "maxLength": 2_000,
                "description": "The address of this source as HubSpot was given it: it is signed.",
            },
            tolerance_s=TOLERANCE,
        ),
        "required": ["url"],
    }

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe a request whose signature fits and is of now. Raises Unverified."""
        signatures.check_secrets(secrets)
        text, sent = request.header(_HEADER), request.header(_TIME)
        if not (sent.isascii() and sent.isdecimal() and len(sent) > 3):
            raise Unverified(Reason.MALFORMED, f"the time in {_TIME} is not unix milliseconds")
        at = signatures.check_time(sent[:-3], header=_TIME, tolerance_s=tolerance_s(options), now=now)
        given = signatures.decoded(text, encoding="base64", header=_HEADER)
        signed = f"POST{options.get('url', '')}".encode() + request.body + sent.encode()
        keys = [secret.encode() for secret in secrets if secret]
        return Verified(key=signatures.fitting(keys, signed, given=[given]), signed_at=at)

    def tell(self, request: Request, *, options: Options) -> Told:
        """This will read a list of up to a hundred events as one: its type is theirs, or `events` where they differ.

        The same events again, in another attempt of HubSpot's, are the same delivery.
        """
        events = body_of(request)
        if not isinstance(events, list) or not events or not all(isinstance(one, Mapping) for one in events):
            raise Untold("$: the body must be a list of events, and is not")
        kinds = {text_at(one, "subscriptionType") for one in events}
        subjects = {text_at(one, "objectId") for one in events}
        ids = sorted(f"{text_at(one, 'eventId')}.{text_at(one, 'subscriptionId')}" for one in events)
        return Told(
            id=hashlib.sha256(",".join(ids).encode()).hexdigest(),
            type=(kinds.pop() if len(kinds) == 1 else "") or "events",
            data={"events": events},
            subject=subjects.pop() if len(subjects) == 1 else "",
        )
