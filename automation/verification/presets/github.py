"""GitHub: `X-Hub-Signature-256`, an HMAC-SHA256 over the body.

Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
"""

from collections.abc import Sequence

from automation.verification import signatures
from automation.verification.contract import Options, Reason, Request, Told, Unverified, Verified
from automation.verification.presets.base import Plain, schema_of
from automation.verification.reading import object_of, text_at

_HEADER, _PREFIX = "X-Hub-Signature-256", "sha256="


class GitHub(Plain):
    """Keeps `contract.Preset`."""

    name = "github"
    title = "GitHub"
    key_hint = "the secret of the webhook, as GitHub was given it"
    schema = schema_of()

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe a request whose signature fits. Raises Unverified."""
        signatures.check_secrets(secrets)
        text = request.header(_HEADER)
        if not text.startswith(_PREFIX):
            raise Unverified(Reason.MALFORMED, f"{_HEADER} does not begin with {_PREFIX}")
        given = signatures.decoded(text.removeprefix(_PREFIX), encoding="hex", header=_HEADER)
        keys = [secret.encode() for secret in secrets if secret]
        return Verified(key=signatures.fitting(keys, request.body, given=[given]))

    def tell(self, request: Request, *, options: Options) -> Told:
        """This will read an event of GitHub: its type is `push`, or with an action `pull_request.opened`."""
        body = object_of(request)
        if isinstance(body.get("payload"), str):  # the content type "form" of a webhook
            body = object_of(Request(body=str(body["payload"]).encode(), headers={}))
        event, action = request.header("X-GitHub-Event"), text_at(body, "action")
        return Told(
            id=request.header("X-GitHub-Delivery"),
            type=f"{event}.{action}" if action else event,
            data=body,
            subject=text_at(body, "repository.full_name"),
        )
