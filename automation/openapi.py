"""Tells the API's documentation how callers say who they are; imported once, by the paths."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its metaclass has no types
    """`Authorization: Bearer <token>`."""

    target_class = "automation.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, _auto_schema: AutoSchema) -> dict[str, str]:
        """This will be the security scheme."""
        return {"type": "http", "scheme": "bearer", "description": "An API token with the scopes it needs."}
