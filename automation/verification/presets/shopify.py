"""Shopify: `X-Shopify-Hmac-Sha256`, an HMAC-SHA256 over the body in base64.

Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https
"""

from collections.abc import Sequence

from automation.verification import signatures
from automation.verification.contract import Options, Request, Told, Verified
from automation.verification.presets.base import Plain, schema_of
from automation.verification.reading import object_of, text_at

_HEADER = "X-Shopify-Hmac-Sha256"


class Shopify(Plain):
    """Keeps `contract.Preset`."""

    name = "shopify"
    title = "Shopify"
    key_hint = "the client secret of the app"
    schema = schema_of()

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe a request whose signature fits. Raises Unverified."""
        signatures.check_secrets(secrets)
        given = signatures.decoded(request.header(_HEADER), encoding="base64", header=_HEADER)
        keys = [secret.encode() for secret in secrets if secret]
        return Verified(key=signatures.fitting(keys, request.body, given=[given]))

    def tell(self, request: Request, *, options: Options) -> Told:
        """This will read an event of Shopify: its topic `orders/create` is the type `orders.create`."""
        body = object_of(request)
        shop = request.headers.get("x-shopify-shop-domain", "")
        return Told(
            id=request.header("X-Shopify-Webhook-Id"),
            type=request.header("X-Shopify-Topic").replace("/", "."),
            data=body,
            subject=text_at(body, "admin_graphql_api_id") or text_at(body, "id"),
            time=request.headers.get("x-shopify-triggered-at", ""),
            attributes={"shopdomain": shop} if shop else {},
        )
