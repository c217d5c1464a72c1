"""A secret in a header, such as `Authorization: Bearer ...` or `X-Api-Key: ...`: it proves the sender, not the body."""

import hashlib
import hmac
from collections.abc import Sequence

from automation.verification import signatures
from automation.verification.contract import Options, Reason, Request, Unverified, Verified
from automation.verification.presets.base import EVENT_PLACES, Plain, schema_of


class Bearer(Plain):
    """Keeps `contract.Preset`."""

    name = "bearer"
    title = "Token in a header"
    key_hint = "the token, 16 characters or more"
    schema = schema_of(
        header={"type": "string", "pattern": "^[A-Za-z0-9-]{1,100}$", "description": "Authorization unless said."},
        scheme={"type": "string", "pattern": "^[A-Za-z0-9]{0,30}$", "description": "Bearer; of other headers none."},
        **EVENT_PLACES,
    )

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe a request that shows one of the tokens. Raises Unverified."""
        signatures.check_secrets(secrets)
        header = options.get("header", "Authorization")
        scheme = options.get("scheme", "Bearer" if header.lower() == "authorization" else "")
        given = request.header(header)
        if scheme:
            said, _, given = given.partition(" ")
            if said.lower() != scheme.lower():
                raise Unverified(Reason.MALFORMED, f"{header} does not begin with {scheme}")
        shown = hashlib.sha256(given.strip().encode()).digest()
        found = -1
        for place, secret in enumerate(secrets):
            known = hashlib.sha256(secret.encode()).digest()
            if hmac.compare_digest(known, shown) and secret and found < 0:
                found = place
        if found < 0:
            raise Unverified(Reason.WRONG_SIGNATURE, f"the token in {header} is not one of the source's")
        return Verified(key=found)

    def secret_problem(self, secret: str) -> str | None:
        """This will refuse a token that could be guessed."""
        return None if len(secret) >= 16 else f"must be {self.key_hint}: this has {len(secret)}"
