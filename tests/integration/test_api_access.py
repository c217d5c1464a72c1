"""Who may use the API, and what strangers learn from it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver
from django.utils import timezone
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from audit import queries as audit
from automation import operations, token_secret
from automation.errors import TokenInvalid, UnknownToken
from automation.models import ApiToken
from tests.support import api

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def create(*, name: str = "", scopes: tuple[str, ...] = ("runs:read",), days: float = 1) -> tuple[ApiToken, str]:
    """This will create a token in the world of `NOON`."""
    return operations.create_token(
        name=name or f"t-{uuid4().hex[:12]}",
        scopes=scopes,
        expires_at=NOON + timedelta(days=days),
        actor=api.TESTER,
        now=NOON,
    )


def test_create_token_stores_the_digest_and_never_the_token() -> None:
    token, plain = create()

    row = ApiToken.objects.filter(id=token.id).values().get()
    assert row["digest"] == token_secret.digest_of(plain)
    assert plain not in str(row)


def test_create_and_revoke_are_audited_without_the_secret() -> None:
    token, plain = create(scopes=("runs:write", "runs:read"))
    operations.revoke_token(name=token.name, actor=api.TESTER, now=NOON)

    events = list(audit.events_for(str(token.id)).filter(subject_type="token"))
    assert [event.kind for event in events] == ["token.created", "token.revoked"]
    assert '"scopes":["runs:read","runs:write"]' in events[0].payload
    assert plain.rsplit("_", 1)[1] not in events[0].payload + events[1].payload


@pytest.mark.parametrize("scopes", [(), ("runs:delete",), ("runs:read", "root")])
def test_create_token_refuses_unknown_scopes(scopes: tuple[str, ...]) -> None:
    with pytest.raises(TokenInvalid, match="choose from runs:read"):
        create(scopes=scopes)


@pytest.mark.parametrize("days", [-1, 0, 367])
def test_create_token_refuses_a_life_that_is_over_or_too_long(days: float) -> None:
    with pytest.raises(TokenInvalid, match="expires_at"):
        create(days=days)


def test_a_name_is_free_again_when_its_token_is_revoked() -> None:
    token, _ = create()
    with pytest.raises(TokenInvalid, match="is in force"):
        create(name=token.name)
    operations.revoke_token(name=token.name, actor=api.TESTER, now=NOON)

    successor, _ = create(name=token.name)

    assert successor.id != token.id
    with pytest.raises(UnknownToken):
        operations.revoke_token(name="never-created", actor=api.TESTER, now=NOON)


def test_api_refuses_a_caller_without_token_and_says_how_to_authenticate() -> None:
    response = APIClient().get("/api/v1/runs")

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["unknown", "expired", "revoked", "malformed", "cut"])
def test_api_refuses_a_token_that_is_not_in_force_and_never_says_why(kind: str) -> None:
    now = timezone.now()
    token, plain = operations.create_token(
        name=f"t-{uuid4().hex[:12]}",
        scopes=["admin"],
        expires_at=now + timedelta(hours=1),
        actor=api.TESTER,
        now=now,
    )
    if kind == "expired":
        ApiToken.objects.filter(id=token.id).update(expires_at=now - timedelta(seconds=1))
    if kind == "revoked":
        operations.revoke_token(name=token.name, actor=api.TESTER, now=now)
    shown = {"unknown": token_secret.mint(), "malformed": "x y z", "cut": plain[:-1]}.get(kind, plain)

    response = api.with_token(shown).get("/api/v1/runs")

    assert response.status_code == 401
    assert response.json()["detail"] == ("the token is unknown, expired or revoked: ask an administrator for a new one")


def test_use_of_a_token_is_noted_once_a_minute() -> None:
    caller = api.client("runs:read")
    caller.get("/api/v1/runs")
    token = ApiToken.objects.latest("id")
    noted = token.last_used_at
    assert noted is not None

    caller.get("/api/v1/runs")
    token.refresh_from_db()
    assert token.last_used_at == noted

    ApiToken.objects.filter(id=token.id).update(last_used_at=noted - timedelta(minutes=2))
    caller.get("/api/v1/runs")
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at > noted


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "/api/v1/runs", "runs:read"),
        ("post", "/api/v1/runs", "runs:write"),
        ("post", f"/api/v1/runs/{uuid4()}/cancel", "runs:write"),
        ("post", "/api/v1/workflows", "definitions:write"),
        ("post", "/api/v1/workflows/check", "definitions:write"),
        ("post", "/api/v1/workflows/any/disable", "definitions:write"),
        ("post", "/api/v1/dead-letters/1/requeue", "dead_letters:write"),
        ("post", "/api/v1/dead-letters/1/discard", "dead_letters:write"),
    ],
)
def test_api_demands_the_scope_and_no_other(method: str, path: str, scope: str) -> None:
    others = {"runs:read", "runs:write", "definitions:write", "dead_letters:write"} - {scope}

    refused = getattr(api.client(*others), method)(path, {}, format="json")
    passed = getattr(api.client(scope), method)(path, {} if method == "post" else None, format="json")

    assert (refused.status_code, refused.json()["detail"]) == (403, f"this needs a token with the scope {scope}")
    assert passed.status_code not in (401, 403)


def test_every_view_of_the_api_but_the_documentation_demands_a_caller() -> None:
    open_to_all = {"schema/definition.json", "openapi.json", "openapi.yaml", "docs", ""}

    paths = {path for path in _paths(get_resolver(), "") if path.startswith("api/v1/")}
    unguarded = set()
    for path in paths:
        named = re.sub(r"<uuid:\w+>", str(uuid4()), re.sub(r"<int:\w+>", "1", path))
        concrete = "/" + re.sub(r"<(slug|str):\w+>", "x", named)
        codes = {APIClient().get(concrete).status_code, APIClient().post(concrete).status_code}
        if codes != {401}:
            unguarded.add(path.removeprefix("api/v1/"))

    assert len(paths) > 20
    assert unguarded == open_to_all


def _paths(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern)
        else:
            yield from _paths(pattern, prefix + str(pattern.pattern))


def test_a_user_of_the_site_needs_djangos_permissions() -> None:
    user = User.objects.create_user(username=f"u-{uuid4().hex[:12]}")
    caller = APIClient()
    caller.force_login(user)
    assert caller.get("/api/v1/runs").status_code == 403

    user.user_permissions.add(Permission.objects.get(codename="view_run"))

    assert caller.get("/api/v1/runs").status_code == 200
    refused = caller.post("/api/v1/runs", {}, format="json")
    assert refused.json()["detail"] == "this needs the permission workflows.add_run"


def test_a_user_of_the_site_needs_the_csrf_token_to_change_anything() -> None:
    caller = APIClient(enforce_csrf_checks=True)
    caller.force_login(User.objects.create_superuser(username=f"u-{uuid4().hex[:12]}"))

    response = caller.post("/api/v1/runs", {"workflow": "x"}, format="json")

    assert (response.status_code, "CSRF" in response.json()["detail"]) == (403, True)


def test_an_unknown_path_is_a_problem_document() -> None:
    response = APIClient().get("/api/v1/rums")

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "urn:problem-type:automation:path-unknown"


def test_admin_shows_a_new_token_once_and_only_in_that_answer() -> None:
    caller = APIClient()
    caller.force_login(User.objects.create_superuser(username=f"u-{uuid4().hex[:12]}"))
    name = f"t-{uuid4().hex[:12]}"

    created = caller.post("/admin/automation/apitoken/add/", {"name": name, "scopes": ["runs:read"], "days": "30"})

    token = ApiToken.objects.get(name=name)
    plain = next(word for word in created.content.decode().split() if token.prefix in word and "_" in word)
    assert "no-store" in created.headers["Cache-Control"]
    assert token.prefix + "_" in plain
    for path in ("", f"{token.id}/change/"):
        page = caller.get(f"/admin/automation/apitoken/{path}").content.decode()
        assert token.prefix in page
        assert token.prefix + "_" not in page
        assert token.digest not in page


def test_admin_revokes_and_never_changes_a_token() -> None:
    caller = APIClient()
    caller.force_login(User.objects.create_superuser(username=f"u-{uuid4().hex[:12]}"))
    token, _ = create(days=300)

    caller.post(f"/admin/automation/apitoken/{token.id}/change/", {"name": "other", "scopes": ["admin"], "days": 1})
    caller.post("/admin/automation/apitoken/", {"action": "revoke", "_selected_action": [token.id]})

    token.refresh_from_db()
    assert (token.name != "other", token.scopes, token.revoked_at is not None) == (True, ["runs:read"], True)
