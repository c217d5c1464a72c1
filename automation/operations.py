"""Creates and revokes API tokens: each in one transaction with its audit event."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from automation import token_secret
from automation.errors import TokenInvalid, UnknownToken
from automation.models import ApiToken
from workflows.access import Scope

LIFE_DAYS = 90
"""How long a token lives when nobody says otherwise."""

LONGEST_LIFE = timedelta(days=366)


def create_token(
    *, name: str, scopes: Collection[str], expires_at: datetime, actor: Actor, now: datetime
) -> tuple[ApiToken, str]:
    """This will create a token and give it in plain, once: it cannot be read again. Raises TokenInvalid."""
    wanted = _checked_scopes(scopes)
    if not now < expires_at <= now + LONGEST_LIFE:
        raise TokenInvalid(
            field="expires_at", message=f"must be in the future, at most {LONGEST_LIFE.days} days from now"
        )
    plain = token_secret.mint()
    with transaction.atomic():
        token, is_new = ApiToken.objects.get_or_create(
            name=name,
            revoked_at=None,
            defaults={
                "prefix": token_secret.prefix_of(plain),
                "digest": token_secret.digest_of(plain),
                "scopes": wanted,
                "created_at": now,
                "created_by": str(actor),
                "expires_at": expires_at,
            },
        )
        if not is_new:
            raise TokenInvalid(
                field="name", message=f"a token named {name!r} is in force: revoke it, or take another name"
            )
        payload = {"name": name, "scopes": wanted, "expires_at": expires_at.isoformat()}
        audit.record(_event(EventKind.TOKEN_CREATED, token=token, actor=actor, now=now, payload=payload))
    return token, plain


def revoke_token(*, name: str, actor: Actor, now: datetime) -> ApiToken:
    """This will put the token of that name out of force for ever. Raises UnknownToken."""
    with transaction.atomic():
        token = ApiToken.objects.select_for_update().filter(name=name, revoked_at=None).first()
        if token is None:
            raise UnknownToken(name)
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
        audit.record(_event(EventKind.TOKEN_REVOKED, token=token, actor=actor, now=now, payload={"name": name}))
    return token


def note_use(*, token: ApiToken, now: datetime) -> None:
    """This will remember when a token was used, to the minute; of requests at the same moment one writes."""
    if token.must_note_use(now=now):
        ApiToken.objects.filter(id=token.id, last_used_at=token.last_used_at).update(last_used_at=now)


def _checked_scopes(scopes: Collection[str]) -> list[str]:
    unknown = sorted(set(scopes) - set(Scope))
    if unknown or not scopes:
        known = ", ".join(Scope)
        wrong = f"{', '.join(unknown)} is unknown" if unknown else "none was given"
        raise TokenInvalid(field="scopes", message=f"{wrong}: choose from {known}")
    return [scope.value for scope in Scope if scope in scopes]


def _event(kind: EventKind, *, token: ApiToken, actor: Actor, now: datetime, payload: Mapping[str, object]) -> Event:
    return Event(
        kind=kind,
        actor=actor,
        subject_type="token",
        subject_id=str(token.id),
        correlation_id="",
        at=now,
        payload=payload,
    )
