"""Any sender that signs with HMAC: the options say header, algorithm, encoding, prefix, and where its time stands."""

from collections.abc import Sequence

from automation.verification import signatures
from automation.verification.contract import Options, Reason, Request, Unverified, Verified
from automation.verification.presets.base import EVENT_PLACES, TOLERANCE, Plain, tolerance_s

_NAME = {"type": "string", "pattern": "^[A-Za-z0-9-]{1,100}$"}


class GenericHmac(Plain):
    """Keeps `contract.Preset`.

    With `timestamp_header` the signed text is time, `separator` and body; without it the body alone.
    """

    name = "hmac"
    title = "HMAC of your own"
    key_hint = "the secret that the sender signs with"
    schema = {
        "type": "object",
        "required": ["header"],
        "properties": {
            "header": {**_NAME, "description": "The header with the signature, such as X-Signature."},
            "algorithm": {"enum": ["sha1", "sha256", "sha384", "sha512"]},
            "encoding": {"enum": ["hex", "base64"]},
            "prefix": {"type": "string", "maxLength": 50, "description": "What stands before the signature."},
            "timestamp_header": {**_NAME, "description": "The header with the unix seconds that are signed too."},
            "separator": {"type": "string", "maxLength": 10, "description": "Between time and body; a dot."},
            "tolerance_s": TOLERANCE,
            **EVENT_PLACES,
        },
        "additionalProperties": False,
    }

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe a request whose signature fits. Raises Unverified."""
        signatures.check_secrets(secrets)
        header, prefix = options["header"], options.get("prefix", "")
        text = request.header(header)
        if not text.startswith(prefix):
            raise Unverified(Reason.MALFORMED, f"{header} does not begin with its prefix")
        given = signatures.decoded(text.removeprefix(prefix), encoding=options.get("encoding", "hex"), header=header)
        signed, at = request.body, None
        if "timestamp_header" in options:
            sent = request.header(options["timestamp_header"])
            name = options["timestamp_header"]
            at = signatures.check_time(sent, header=name, tolerance_s=tolerance_s(options), now=now)
            signed = f"{sent}{options.get('separator', '.')}".encode() + signed
        keys = [secret.encode() for secret in secrets if secret]
        place = signatures.fitting(keys, signed, given=[given], algorithm=options.get("algorithm", "sha256"))
        return Verified(key=place, signed_at=at)
