"""The presets, one module each, and the table of them; a new one is a module and a line here."""

from collections.abc import Mapping

from automation.verification.contract import Preset
from automation.verification.presets import (
    bearer,
    generic_hmac,
    github,
    hubspot,
    mtls,
    shopify,
    slack,
    standard,
    stripe,
)

_ALL: tuple[Preset, ...] = (
    standard.Standard(),
    stripe.Stripe(),
    github.GitHub(),
    shopify.Shopify(),
    slack.Slack(),
    hubspot.HubSpot(),
    generic_hmac.GenericHmac(),
    bearer.Bearer(),
    mtls.ClientCertificate(),
)
PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _ALL}
"""All presets by name."""
