"""What a connection may say, field by field, and where its secret may be."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from integrations import connection_documents, connections, credentials, kinds
from integrations.adapters import http_request
from integrations.connections import ConnectionSpec
from integrations.contract import Adapter
from integrations.errors import AdapterNameTaken, Refused, WrongConnection

RIGHT = ConnectionSpec(
    name="shop",
    base_url="https://shop.example/api",
    secret_reference="env:SHOP_TOKEN",
    headers={"X-Tenant": "7"},
)


_CHANGED = {"['api.shop.example']": "allowed_hosts"}
"""What is changed, where another field is wrong then."""


def test_check_accepts_what_is_right() -> None:
    connections.check(RIGHT)
    connections.check(ConnectionSpec(name="bare", base_url="http://10.0.0.1:8080"))
    connections.check(
        replace(RIGHT, allowed_hosts=("*.example",), environment="test", options={"health": {"path": "/"}})
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "My Shop"),
        ("name", ""),
        ("base_url", "shop.example"),
        ("base_url", "ftp://shop.example"),
        ("base_url", "https://user:pw@shop.example"),
        ("base_url", "https://shop.example/?a=1"),
        ("base_url", "https://shop.example:port"),
        ("auth_header", "Bad Header"),
        ("auth_scheme", "Bearer x"),
        ("secret_reference", "s3cret"),
        ("secret_reference", "env:SECRET_KEY"),
        ("secret_reference", "env:DATABASE_URL"),
        ("headers", {"X-Api-Key": "s3cret"}),
        ("headers", {"X-Break": "a\r\nHost: evil"}),
        ("headers", {"X-Number": 7}),
        ("headers", {"Bad Name": "x"}),
        ("headers", ["X-Tenant"]),
        ("connect_timeout_s", 0),
        ("read_timeout_s", float("nan")),
        ("read_timeout_s", float("inf")),
        ("max_response_bytes", -1),
        ("max_response_bytes", 10**12),
        ("rate_limit", -1),
        ("rate_limit", 10**7),
        ("rate_period_s", 0.0),
        ("rate_period_s", float("nan")),
        ("rate_burst", 0),
        ("breaker_error_rate", 1.5),
        ("breaker_slow_rate", -0.1),
        ("breaker_slow_rate", float("nan")),
        ("breaker_slow_s", 0.0),
        ("breaker_window_s", 10**6),
        ("breaker_min_calls", 0),
        ("breaker_open_s", float("inf")),
        ("breaker_probes", 0),
        ("kind", "pigeon"),
        ("base_url", ""),
        ("environment", "staging"),
        ("owner", "x" * 201),
        ("allowed_hosts", "shop.example"),
        ("allowed_hosts[1]", ["shop.example", "https://shop.example"]),
        ("base_url", ["api.shop.example"]),
        ("options", {"healt": {"path": "/"}}),
        ("options.health.method", {"health": {"path": "/", "method": "POST"}}),
        ("secrets.pasword", {"pasword": "env:SHOP_PASSWORD"}),
    ],
)
def test_check_names_the_wrong_field(field: str, value: object) -> None:
    changed = _CHANGED.get(str(value), field.partition(".")[0].partition("[")[0])

    with pytest.raises(WrongConnection) as wrong:
        connections.check(replace(RIGHT, **{changed: value}))  # type: ignore[arg-type]  # wrong on purpose

    assert list(wrong.value.problems) == [field]


def test_resolve_finds_the_secret_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "one")
    assert credentials.resolve("env:SHOP_TOKEN", connection="shop") == "one"

    monkeypatch.setenv("SHOP_TOKEN", "two")
    assert credentials.resolve("env:SHOP_TOKEN", connection="shop") == "two"


@pytest.mark.parametrize("reference", ["env:SHOP_TOKEN_MISSING", "env:SECRET_KEY", "vault:x"])
def test_resolve_refuses_what_is_not_there_or_not_to_be_sent(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "the platform's own")

    with pytest.raises(Refused) as refusal:
        credentials.resolve(reference, connection="shop")
    assert "the platform's own" not in refusal.value.message


@pytest.mark.parametrize("secret", ["s3cret\n", " s3cret", "s3crét", "s3\r\nHost: evil"])
def test_resolve_refuses_a_secret_no_header_can_hold_without_repeating_it(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", secret)

    with pytest.raises(Refused, match="SHOP_TOKEN") as refusal:
        credentials.resolve("env:SHOP_TOKEN", connection="shop")

    assert "s3" not in refusal.value.message


def test_documents_say_what_a_connection_is_and_change_only_what_they_name() -> None:
    document = connection_documents.document_of(RIGHT)

    assert connection_documents.read("shop", document) == RIGHT
    changed = connection_documents.assigned(
        ["owner=shop team", "headers.X-Tenant=", "options.health.path=/up", "read_timeout_s=2"], base=RIGHT
    )
    assert changed == {
        "owner": "shop team",
        "headers": {},
        "options": {"health": {"path": "/up"}},
        "read_timeout_s": 2,
    }
    assert connection_documents.read("shop", changed, base=RIGHT).secret_reference == RIGHT.secret_reference
    assert RIGHT.headers == {"X-Tenant": "7"}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"url": "https://x.example"}, "url"),
        ({"rate_limit": "7"}, "rate_limit"),
        ({"allow_private": 1}, "allow_private"),
    ],
)
def test_documents_refuse_what_is_no_field_or_of_another_type(document: dict[str, object], field: str) -> None:
    with pytest.raises(WrongConnection) as wrong:
        connection_documents.read("shop", document)

    assert list(wrong.value.problems) == [field]


@pytest.mark.parametrize("text", ["owner", "owner.name=x", "options.a=[", "owner.=x"])
def test_documents_refuse_assignments_that_cannot_be_read(text: str) -> None:
    with pytest.raises(WrongConnection):
        connection_documents.assigned([text], base=None)


def test_kinds_of_adapters_that_disagree_are_refused() -> None:
    other = SimpleNamespace(**{**vars(http_request), "name": "http.other", "connection_schema": {"type": "object"}})

    with pytest.raises(AdapterNameTaken, match=r"http\.other says something else .* than http\.request"):
        kinds.table([http_request, cast("Adapter", other)])


def _pigeons() -> kinds.Kind:
    return kinds.Kind(
        name="pigeon",
        schema={"type": "object", "properties": {"loft": {"type": "string"}}, "additionalProperties": False},
        secret_names=("password",),
        speaks_http=False,
        uses=("pigeon.send",),
        probe=http_request.probe,
    )


@pytest.mark.parametrize("base_url", ["", "ssh://host.example:22", "file:///data/in", "https://api.example/wsdl"])
def test_kinds_that_do_not_speak_http_have_addresses_of_their_own(
    base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "kinds", lambda: {"pigeon": _pigeons()})
    spec = ConnectionSpec(
        name="loft", kind="pigeon", base_url=base_url, options={"loft": "7"}, secrets={"password": "env:LOFT_PASSWORD"}
    )
    connections.check(spec)

    is_http = base_url.startswith("https://")
    wrong = replace(spec, secret_reference="env:LOFT_TOKEN", options={"loft": 7})
    with pytest.raises(WrongConnection) as refused:
        connections.check(wrong)
    assert sorted(refused.value.problems) == ["options.loft"] + ([] if is_http else ["secret_reference"])
    with pytest.raises(WrongConnection, match="base_url"):
        connections.check(replace(spec, base_url="host.example"))
