"""Slack: `X-Slack-Signature`, an HMAC-SHA256 over version, time and body; a new address is challenged once.

Source: https://docs.slack.dev/authentication/verifying-requests-from-slack, .../reference/events/url_verification
"""

import hashlib
from collections.abc import Sequence

from automation.verification import signatures
from automation.verification.contract import Options, Reason, Request, Told, Untold, Unverified, Verified
from automation.verification.presets.base import TOLERANCE, Plain, schema_of, tolerance_s
from automation.verification.reading import object_of, text_at

_HEADER, _TIME, _PREFIX = "X-Slack-Signature", "X-Slack-Request-Timestamp", "v0="


class Slack(Plain):
    """Keeps `contract.Preset`."""

    name = "slack"
    title = "Slack"
    key_hint = "the signing secret of the app"
    accepts = 200  # what is in the answer to a command is shown to whoever gave it
    schema = schema_of(tolerance_s=TOLERANCE)

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe a request whose signature fits and is of now. Raises Unverified."""
        signatures.check_secrets(secrets)
        sent, text = request.header(_TIME), request.header(_HEADER)
        if not text.startswith(_PREFIX):
            raise Unverified(Reason.MALFORMED, f"{_HEADER} does not begin with {_PREFIX}")
        at = signatures.check_time(sent, header=_TIME, tolerance_s=tolerance_s(options), now=now)
        given = signatures.decoded(text.removeprefix(_PREFIX), encoding="hex", header=_HEADER)
        keys = [secret.encode() for secret in secrets if secret]
        place = signatures.fitting(keys, f"v0:{sent}:".encode() + request.body, given=[given])
        return Verified(key=place, signed_at=at)

    def challenge(self, request: Request) -> bytes | None:
        """This will give the text that proves to Slack that the address is ours."""
        if b'"url_verification"' not in request.body:
            return None
        try:
            body = object_of(request)
        except Untold:
            return None
        text = text_at(body, "challenge") if body.get("type") == "url_verification" else ""
        return text.encode() or None

    def tell(self, request: Request, *, options: Options) -> Told:
        """This will read an event, an interaction (`payload` of a form) or a command (`command`)."""
        body = object_of(request)
        if isinstance(body.get("payload"), str):
            body = object_of(Request(body=str(body["payload"]).encode(), headers={}))
        if "event" in body:
            kind = text_at(body, "event.type")
        else:
            kind = "command" if "command" in body else text_at(body, "type")
        if not kind:
            raise Untold("$.type: must be text, and is not there")
        signed = hashlib.sha256(request.headers.get(_HEADER.lower(), "").encode()).hexdigest()
        told = text_at(body, "event_id") or text_at(body, "trigger_id") or signed
        subject = text_at(body, "event.channel") or text_at(body, "channel_id") or text_at(body, "channel.id")
        return Told(id=told, type=kind, data=body, subject=subject)
