"""Callers of the API for tests: clients with tokens of chosen scopes, and workflows with names of their own."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

import orjson
from django.utils import timezone
from rest_framework.test import APIClient

from audit.events import Actor, ActorKind
from automation import operations as automation
from workflows import operations

TESTER = Actor(kind=ActorKind.SYSTEM, id="test")


def client(*scopes: str) -> APIClient:
    """This will be a client with a new token of these scopes."""
    return with_token(token(*scopes))


def token(*scopes: str) -> str:
    """This will be a new token of these scopes."""
    now = timezone.now()
    _, plain = automation.create_token(
        name=f"test-{uuid4().hex[:12]}",
        scopes=scopes,
        expires_at=now + timedelta(hours=1),
        actor=TESTER,
        now=now,
    )
    return plain


def with_token(plain: str) -> APIClient:
    """This will be a client that shows this token."""
    caller = APIClient(raise_request_exception=False)
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    return caller


def document(name: str, **more: object) -> dict[str, object]:
    """This will be a definition of two steps that need no worker's functions."""
    steps = {"first": {"uses": "set", "with": {"total": 1}}, "second": {"uses": "set", "needs": "first", "with": {}}}
    return {"name": name, "steps": steps, **more}


def published(**more: object) -> str:
    """This will publish a workflow of that form and give its name."""
    name = f"test-{uuid4().hex[:12]}"
    publish(document(name, **more))
    return name


def publish(definition: Mapping[str, object]) -> None:
    """This will publish a definition."""
    operations.publish(source=orjson.dumps(definition).decode(), actor=TESTER, now=timezone.now())
