"""Calls through connections that are saved, audited, cached, and hold their secret elsewhere."""

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import ModuleType
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_httpserver import HTTPServer

from audit import queries as audit_queries
from audit import verify
from audit.events import Actor, ActorKind
from integrations import operations, queries, registry
from integrations.connections import ConnectionSpec
from integrations.contract import CallContext
from integrations.errors import CallFailed, Refused, Unavailable, Unknown, UnknownConnection, WrongConnection
from tests.support import outbound

pytestmark = pytest.mark.usefixtures("database")
each_way = pytest.mark.usefixtures("each_way")

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALICE = Actor(kind=ActorKind.USER, id="7")
SECRET = "s3cret-of-the-shop"


@pytest.fixture(autouse=True)
def _no_connection_is_remembered() -> Iterator[None]:
    yield
    queries.forget_connections()


@pytest.fixture
def name() -> str:
    """This will be the name of a connection that no other test uses."""
    return f"shop-{uuid4()}"


def save(name: str, *, base_url: str = "https://shop.example", minute: int = 0, **fields: object) -> bool:
    """This will save a connection on behalf of Alice."""
    return operations.save_connection(
        spec=ConnectionSpec(name=name, base_url=base_url, **fields),  # type: ignore[arg-type]  # any of its fields
        actor=ALICE,
        now=NOW + timedelta(minutes=minute),
        correlation_id="change-1",
    )


def call(*, connection: str | None, uses: str = "http.request", **inputs: object) -> object:
    """This will make one attempt the way the engine does."""
    return outbound.operation(
        uses=uses,
        inputs=inputs,
        connection=connection,
        context=CallContext(
            idempotency_key="run-1/charge",
            timeout_s=5,
            attempt=1,
            run_id="run-1",
            step="charge",
            correlation_id="order-9",
        ),
    )


def test_save_connection_audits_what_changed_and_nothing_when_said_twice(name: str) -> None:
    assert save(name)
    assert save(name, read_timeout_s=2.5, minute=1)
    assert not save(name, read_timeout_s=2.5, minute=2)

    first, second = audit_queries.events_for(name)
    assert (first.kind, first.actor, first.correlation_id) == ("connection.changed", "user:7", "change-1")
    assert second.payload == '{"after":{"read_timeout_s":"2.5"},"before":{"read_timeout_s":"30"}}'
    assert list(verify.verify([first, second])) == []
    assert queries.get_connection(name).read_timeout_s == 2.5


def test_save_connection_writes_nothing_when_it_is_wrong(name: str) -> None:
    with pytest.raises(WrongConnection, match="base_url"):
        save(name, base_url="shop.example")

    assert queries.find_connection(name) is None
    assert not audit_queries.events_for(name).exists()


def test_connection_settings_resolve_the_secret_at_each_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    save(name, secret_reference="env:SHOP_TOKEN", headers={"X-Tenant": "7"})
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    settings = queries.connection_settings(name)
    monkeypatch.setenv("SHOP_TOKEN", "changed")

    assert settings.headers == {"X-Tenant": "7", "Authorization": f"Bearer {SECRET}"}
    assert queries.connection_settings(name).secrets[0] == "changed"
    assert SECRET not in repr(settings)


def test_connection_settings_see_a_change_of_this_process_at_once(name: str) -> None:
    save(name)
    assert queries.connection_settings(name).base_url == "https://shop.example"

    save(name, base_url="https://shop.example/v2", minute=1)

    assert queries.connection_settings(name).base_url == "https://shop.example/v2"
    with pytest.raises(UnknownConnection, match=f"{name}-other"):
        queries.connection_settings(f"{name}-other")


@each_way
def test_call_goes_through_the_connection_with_its_secret_and_logs_none_of_it(
    name: str, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    caplog.set_level(logging.DEBUG)
    httpserver.expect_request("/charges", headers={"Authorization": f"Bearer {SECRET}"}).respond_with_json({"id": 7})
    httpserver.expect_request("/fail").respond_with_data(f"no: {SECRET}", status=400)
    save(name, base_url=httpserver.url_for("/"), allow_private=True, secret_reference="env:SHOP_TOKEN")

    output = call(connection=name, method="POST", path="/charges", json={})
    with pytest.raises(Refused) as refusal:
        call(connection=name, method="POST", path="/fail", json={})

    assert isinstance(output, dict)
    assert output["body"] == {"id": 7}
    assert refusal.value.evidence == {"status": 400, "body": "no: ***"}
    assert SECRET not in caplog.text


@each_way
def test_call_refuses_wrong_inputs_without_repeating_them(name: str, httpserver: HTTPServer) -> None:
    save(name, base_url=httpserver.url_for("/"), allow_private=True)

    with pytest.raises(Refused, match="with/method") as refusal:
        call(connection=name, method="s3cret", path="/charges")

    assert "s3cret" not in str(refusal.value.evidence) + refusal.value.message
    assert httpserver.log == []


@each_way
@pytest.mark.parametrize(("uses", "connection"), [("http.reqest", None), ("http.request", "no-such-connection")])
def test_call_refuses_what_does_not_exist(uses: str, connection: str | None) -> None:
    with pytest.raises(Refused, match="there is no"):
        call(uses=uses, connection=connection, path="/x")


@each_way
def test_call_refuses_a_private_address_unless_the_connection_allows_it(name: str, httpserver: HTTPServer) -> None:
    save(name, base_url=httpserver.url_for("/"))

    with pytest.raises(Refused, match="not a public address"):
        call(connection=name, path="/charges")
    with pytest.raises(Refused, match="not a public address"):
        call(connection=None, url=httpserver.url_for("/charges"))

    assert httpserver.log == []


class Surprising(ModuleType):
    """An adapter that raises what the test gives it."""

    def __init__(self, error: Exception) -> None:
        super().__init__("surprising")
        self.name = "surprising"
        self.input_schema: Mapping[str, object] = {"type": "object"}
        self.error = error

    def call(self, **_: object) -> object:
        """This will raise the error."""
        raise self.error

    async def acall(self, **_: object) -> object:
        """This will raise the error."""
        raise self.error

    def is_repeatable(self, *, inputs: Mapping[str, object]) -> bool:
        """This will say no."""
        return False


@each_way
@pytest.mark.parametrize(
    ("error", "expected"),
    [(ZeroDivisionError(f"with {SECRET}"), Unknown), (Unavailable("down"), Unavailable)],
)
def test_call_takes_what_an_adapter_did_not_foresee_for_unknown(
    name: str, error: Exception, expected: type[CallFailed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    monkeypatch.setattr(registry, "get_adapter", lambda _: Surprising(error))
    save(name, secret_reference="env:SHOP_TOKEN")

    with pytest.raises(expected) as failed:
        call(uses=f"surprise-{name}", connection=name)

    assert failed.value.repeatable is (expected is Unavailable)
    assert SECRET not in failed.value.message


def test_is_repeatable_asks_the_adapter() -> None:
    assert operations.is_repeatable(uses="http.request", inputs={"method": "POST"})
    assert not operations.is_repeatable(uses="http.request", inputs={"method": "POST", "idempotency": "none"})


FORM = {
    "base_url": "https://shop.example",
    "auth_header": "Authorization",
    "auth_scheme": "Bearer",
    "secret_reference": "env:SHOP_TOKEN",
    "headers": '{"X-Tenant": "7"}',
    "connect_timeout_s": "5",
    "read_timeout_s": "30",
    "max_response_bytes": "1000000",
}
"""What the admin's form sends."""


@pytest.fixture
def admin() -> Client:
    """This will be the browser of somebody who may do everything."""
    client = Client()
    client.force_login(User.objects.create_superuser(username=f"admin-{uuid4()}"))
    return client


def test_admin_saves_through_the_operation_that_audits(name: str, admin: Client) -> None:
    added = admin.post("/admin/integrations/connection/add/", {**FORM, "name": name}, secure=True)
    listing = admin.get("/admin/integrations/connection/", {"q": name}, secure=True).content.decode()
    path = re.findall(r"/admin/integrations/connection/[0-9]+/change/", listing)[0]
    changed = admin.post(path, {**FORM, "read_timeout_s": "2"}, secure=True)

    assert (added.status_code, changed.status_code) == (302, 302)
    assert queries.get_connection(name).read_timeout_s == 2
    assert [event.actor for event in audit_queries.events_for(name)] == [f"user:{admin.session['_auth_user_id']}"] * 2


def test_admin_shows_what_is_wrong_at_its_field(name: str, admin: Client) -> None:
    form = {**FORM, "name": name, "base_url": "shop.example"}

    page = admin.post("/admin/integrations/connection/add/", form, secure=True)

    assert "must begin with https://" in page.content.decode()
    assert queries.find_connection(name) is None
