"""Reads of this app's tables; they change nothing."""

from django.db.models import QuerySet

from automation.models import ApiToken


def find_token(*, digest: str) -> ApiToken | None:
    """This will find a token by the digest of its plain form."""
    return ApiToken.objects.filter(digest=digest).first()


def tokens() -> QuerySet[ApiToken]:
    """This will select all tokens, the newest first."""
    return ApiToken.objects.order_by("-id")
