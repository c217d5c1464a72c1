"""A client certificate that a proxy of ours has verified; the headers count from that proxy's address alone."""

import ipaddress
import re
from collections.abc import Sequence

from automation.verification.contract import Options, Reason, Request, Unverified, Verified
from automation.verification.presets.base import EVENT_PLACES, Plain

_NAME = {"type": "string", "pattern": "^[A-Za-z0-9-]{1,100}$"}


class ClientCertificate(Plain):
    """Keeps `contract.Preset`. It has no secret: the certificate is the proof, its fingerprint or subject the name."""

    name = "mtls"
    title = "Client certificate, verified by a proxy"
    key_hint = "none: the proxy has verified the certificate"
    schema = {
        "type": "object",
        "required": ["header", "allowed", "proxies"],
        "properties": {
            "header": {**_NAME, "description": "The header in which the proxy says fingerprint or subject."},
            "allowed": {
                "type": "array",
                "minItems": 1,
                "maxItems": 100,
                "items": {"type": "string", "minLength": 8, "maxLength": 500},
                "description": "Fingerprints or subjects that are believed.",
            },
            "proxies": {
                "type": "array",
                "minItems": 1,
                "maxItems": 50,
                "items": {"type": "string", "minLength": 2, "maxLength": 50},
                "description": "Addresses or networks (10.0.0.0/8) of the proxies.",
            },
            "verify_header": {**_NAME, "description": "The header in which the proxy says that it has verified it."},
            "verify_value": {"type": "string", "maxLength": 100, "description": "What it says then; SUCCESS."},
            **EVENT_PLACES,
        },
        "additionalProperties": False,
    }

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe what a trusted proxy says of the certificate. Raises Unverified."""
        if not _is_within(request.peer, networks=options["proxies"]):
            raise Unverified(Reason.UNTRUSTED_PROXY, "the request did not come from a proxy of the source")
        name = options.get("verify_header")
        if name is not None and request.header(name) != options.get("verify_value", "SUCCESS"):
            raise Unverified(Reason.WRONG_SIGNATURE, f"{name} says that the certificate is not verified")
        shown = _bare(request.header(options["header"]))
        for place, allowed in enumerate(options["allowed"]):
            if _bare(allowed) == shown:
                return Verified(key=place)
        raise Unverified(Reason.WRONG_SIGNATURE, f"the certificate in {options['header']} is not one of the source's")


def networks_problem(texts: Sequence[str]) -> str | None:
    """This will say which of the texts is no address and no network.

    >>> networks_problem(["10.0.0.0/8", "::1"]), networks_problem(["proxy"])
    (None, "'proxy' is no address and no network: write 10.0.0.7 or 10.0.0.0/8")
    """
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            return f"{text!r} is no address and no network: write 10.0.0.7 or 10.0.0.0/8"
    return None


def _is_within(peer: str, *, networks: Sequence[str]) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(network) for network in networks)


def _bare(text: str) -> str:
    """Fingerprints are written with colons and without, in either case; other names stay as they are."""
    bare = text.replace(":", "").lower()
    return bare if re.fullmatch(r"[0-9a-f]{40,128}", bare) else text
