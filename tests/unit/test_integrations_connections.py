"""What a connection may say, field by field, and where its secret may be."""

from dataclasses import replace

import pytest

from integrations import connections, credentials
from integrations.connections import ConnectionSpec
from integrations.errors import Refused, WrongConnection

RIGHT = ConnectionSpec(
    name="shop",
    base_url="https://shop.example/api",
    secret_reference="env:SHOP_TOKEN",
    headers={"X-Tenant": "7"},
)


def test_check_accepts_what_is_right() -> None:
    connections.check(RIGHT)
    connections.check(ConnectionSpec(name="bare", base_url="http://10.0.0.1:8080"))


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
    ],
)
def test_check_names_the_wrong_field(field: str, value: object) -> None:
    with pytest.raises(WrongConnection) as wrong:
        connections.check(replace(RIGHT, **{field: value}))  # type: ignore[arg-type]  # wrong on purpose

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
