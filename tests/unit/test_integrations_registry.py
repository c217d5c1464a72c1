"""Which adapters there are, those of installed packages among them."""

import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import ModuleType

import jsonschema_rs
import pytest

from integrations import registry
from integrations.adapters import http_request
from integrations.errors import AdapterNameTaken, UnknownAdapter
from integrations.github import actions as github


def installed(*, name: str, monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    """This will be the entry point of a package whose adapter has that name."""
    module = ModuleType("vendor_adapter")
    module.name = name  # type: ignore[attr-defined]  # what makes the module an adapter
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return EntryPoint(name="any", value=module.__name__, group=registry.GROUP)


def test_get_adapter_finds_the_one_of_that_name() -> None:
    assert registry.get_adapter("http.request") is http_request
    with pytest.raises(UnknownAdapter, match=r"known are .*http\.request"):
        registry.get_adapter("http.reqest")


def test_table_adds_the_adapters_of_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = installed(name="vendor.act", monkeypatch=monkeypatch)

    assert set(registry.table(built_in=[http_request], installed=[entry])) == {"http.request", "vendor.act"}


def test_table_adds_all_actions_of_an_installed_app(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vendor_app")
    module.ACTIONS = github.ACTIONS  # type: ignore[attr-defined]  # what an entry point names
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = EntryPoint(name="any", value="vendor_app:ACTIONS", group=registry.GROUP)

    assert set(registry.table(built_in=[], installed=[entry])) == {action.name for action in github.ACTIONS}


def test_table_refuses_two_adapters_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = installed(name="http.request", monkeypatch=monkeypatch)

    with pytest.raises(AdapterNameTaken, match="vendor_adapter"):
        registry.table(built_in=[http_request], installed=[entry])


@pytest.mark.parametrize("name", sorted(registry.input_schemas()))
def test_input_schemas_are_valid_and_closed(name: str) -> None:
    schema = dict(registry.input_schemas()[name])

    assert jsonschema_rs.meta.is_valid(schema)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("inputs", "is_valid"),
    [
        ({"path": "/x"}, True),
        ({"url": "https://shop.example/", "method": "POST", "json": {"a": 1}, "expect_status": [200, 409]}, True),
        ({"path": "/x", "query": {"a": [1, "b"], "c": True, "d": None}, "idempotency": "none"}, True),
        ({}, False),
        ({"path": "/x", "url": "https://shop.example/"}, False),
        ({"path": "/x", "json": 1, "body": "x"}, False),
        ({"url": "file:///etc/passwd"}, False),
        ({"path": "/x", "method": "get"}, False),
        ({"path": "/x", "method": "CONNECT"}, False),
        ({"path": "/x", "headers": {"a": 1}}, False),
        ({"path": "/x", "query": {"a": {"b": 1}}}, False),
        ({"path": "/x", "expect_status": 100}, False),
        ({"path": "/x", "expect_status": []}, False),
    ],
)
def test_validator_knows_the_inputs_of_http_request(inputs: Mapping[str, object], is_valid: bool) -> None:
    assert registry.validator("http.request").is_valid(inputs) is is_valid


def test_validator_never_repeats_a_value() -> None:
    problems = registry.validator("http.request").iter_errors({"path": ["s3cret"]})

    assert "s3cret" not in str([problem.message for problem in problems])
