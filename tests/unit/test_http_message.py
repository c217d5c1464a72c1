"""The parts of a request as they are made from a step's inputs."""

from collections.abc import Mapping

import pytest

from integrations import http_message
from integrations.contract import ConnectionSettings
from integrations.errors import Refused

SHOP = ConnectionSettings(name="shop", base_url="https://shop.example/api/", headers={"Authorization": "Bearer s3cret"})


def headers(**inputs: object) -> Mapping[str, str]:
    """This will make the headers of a step's inputs."""
    return http_message.headers(inputs, settings=SHOP, key='run"1')


def url(*, base_url: str = SHOP.base_url, **inputs: object) -> str:
    """This will make the URL of a step's inputs."""
    return http_message.url(inputs, base_url=base_url)


def test_headers_carry_the_quoted_key_when_the_method_changes_something() -> None:
    assert headers(method="POST")["idempotency-key"] == '"run\\"1"'
    assert "idempotency-key" not in headers(method="GET")
    assert "idempotency-key" not in headers(method="POST", idempotency="none")


def test_headers_of_the_connection_win_over_those_of_the_step() -> None:
    made = headers(headers={"authorization": "Bearer other", "X-Tenant": "7", "Accept": "text/csv"})

    assert made["authorization"] == "Bearer s3cret"
    assert made["x-tenant"] == "7"
    assert made["accept"] == "text/csv"


@pytest.mark.parametrize("header", ["Host", "content-length", "Transfer-Encoding", "Connection"])
def test_headers_that_follow_from_the_request_cannot_be_given(header: str) -> None:
    with pytest.raises(Refused, match=header):
        headers(headers={header: "x"})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/charges", "https://shop.example/api/charges"),
        ("charges?full=1", "https://shop.example/api/charges?full=1"),
        ("//evil.example/x", "https://shop.example/api/evil.example/x"),
        ("@evil.example", "https://shop.example/api/@evil.example"),
        ("", "https://shop.example/api/"),
    ],
)
def test_url_always_stays_below_the_base_url(path: str, expected: str) -> None:
    assert url(path=path) == expected


@pytest.mark.parametrize("path", ["/../admin", "a/%2e%2e/b", "a/..", "..\\admin", "./x"])
def test_url_refuses_a_path_that_climbs(path: str) -> None:
    with pytest.raises(Refused, match="holds a"):
        url(path=path)


@pytest.mark.parametrize(
    "absolute",
    [
        "https://evil.example/api/charges",
        "http://shop.example/api/charges",
        "https://shop.example:8443/api/charges",
        "https://shop.example/apifake",
        "https://shop.example/api/../admin",
        "https://shop.example/other",
        "https://shop.example@evil.example/api/",
    ],
)
def test_url_refuses_to_carry_credentials_elsewhere(absolute: str) -> None:
    with pytest.raises(Refused):
        url(url=absolute)


def test_url_takes_an_absolute_url_below_the_base_or_without_connection() -> None:
    assert url(url="https://shop.example:443/api/charges") == "https://shop.example:443/api/charges"
    assert url(base_url="", url="https://any.example/") == "https://any.example/"


@pytest.mark.parametrize(
    "inputs", [{"url": "https://user:pw@any.example/"}, {"path": "/x"}, {"url": "https://any.example:port/"}]
)
def test_url_refuses_without_connection_what_needs_one(inputs: dict[str, str]) -> None:
    with pytest.raises(Refused):
        http_message.url(inputs, base_url="")


def test_url_adds_the_query_to_what_is_there() -> None:
    query = {"a": ["1", 2], "flag": True, "none": None, "text": "x y&z"}

    assert url(path="p?b=0", query=query).endswith("/p?b=0&a=1&a=2&flag=true&text=x+y%26z")


def test_content_writes_json_or_text() -> None:
    assert http_message.content({"json": {"a": [1, None]}}) == b'{"a":[1,null]}'
    assert http_message.content({"json": None}) == b"null"
    assert http_message.content({"body": "é"}) == "é".encode()
    assert http_message.content({}) is None
    with pytest.raises(Refused):
        http_message.content({"json": 2**70})


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, True),
        ({"method": "POST"}, True),
        ({"method": "POST", "idempotency": "none"}, False),
        ({"method": "GET", "idempotency": "none"}, True),
        ({"method": "${{ input.method }}", "idempotency": "${{ input.mode }}"}, False),
        ({"method": "POST", "idempotency": "none", "headers": {"Idempotency-Key": '"7"'}}, True),
    ],
)
def test_is_recognisable_when_safe_or_with_a_key(inputs: dict[str, object], expected: bool) -> None:
    assert http_message.is_recognisable(inputs) is expected
