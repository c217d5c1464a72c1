"""Recognises the callers of the API by their tokens; it never says why a token was refused."""

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from automation import operations, queries, token_secret
from automation.models import ApiToken

_SCHEME = "Bearer"
_REFUSED = "the token is unknown, expired or revoked: ask an administrator for a new one"


class TokenUser(AnonymousUser):
    """Who calls with a token: authenticated, but no account of this site, with no permission of its own."""

    def __init__(self, token: ApiToken) -> None:
        self._name = token.name

    @property
    def is_authenticated(self) -> bool:  # type: ignore[override]  # django-stubs: an anonymous one never is
        """This will be true: the token was checked."""
        return True

    @property
    def is_anonymous(self) -> bool:  # type: ignore[override]  # as above
        """This will be false: the audit trail names the token."""
        return False

    def __str__(self) -> str:
        return self._name


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>` (RFC 6750). One query; without the header others may try."""

    def authenticate(self, request: Request) -> tuple[TokenUser, ApiToken] | None:
        """This will give caller and token. Raises AuthenticationFailed when it is not in force."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != _SCHEME.lower().encode():
            return None
        token = _find(parts)
        now = timezone.now()
        if token is None or not token.is_in_force(now=now):
            raise AuthenticationFailed(_REFUSED)
        operations.note_use(token=token, now=now)
        return TokenUser(token), token

    def authenticate_header(self, _request: Request) -> str:
        """This will be the challenge of a 401."""
        return f'{_SCHEME} realm="api"'


def _find(parts: list[bytes]) -> ApiToken | None:
    text = b" ".join(parts[1:]).decode("latin-1")
    if not token_secret.is_token(text):
        return None
    return queries.find_token(digest=token_secret.digest_of(text))
