"""The examples of the documentation are right, and every key of the format has one."""

import json
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from integrations.adapters import http_request
from reconciliation.jobs.documents import job_schema
from workflows import dsl, registry
from workflows.core.definition import JsonObject, JsonValue
from workflows.definition_schema import definition_schema
from workflows.documents import parse_document
from workflows.expressions import Scope, compile_expression
from workflows.schema import Schema
from workflows.validation import find_problems

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = Path(__file__).parents[2] / "examples"
WORKFLOWS = sorted(path for path in EXAMPLES.glob("**/*.yaml") if path.parent.name != "jobs")
USES = {"http.request": cast(JsonObject, http_request.input_schema)}


def blocks(page: str, language: str) -> list[str]:
    """This will cut the fenced blocks of one language out of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def document_of(block: str) -> JsonObject:
    """This will read a block; one that shows steps only is given a name."""
    return {"name": "example", **parse_document(block).document}


def keys_in(value: JsonValue) -> set[str]:
    """This will collect every key of every mapping."""
    if isinstance(value, Mapping):
        return set(value).union(*(keys_in(item) for item in value.values()))
    return set().union(*(keys_in(item) for item in value)) if isinstance(value, list) else set()


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """This will execute the Python of the authoring page as the module `shop.workflows`."""
    monkeypatch.setattr(registry, "_functions", {})
    monkeypatch.setattr(dsl, "_declared", {})
    module = types.ModuleType("shop.workflows")
    monkeypatch.setitem(sys.modules, "shop.workflows", module)
    for block in blocks("authoring.md", "python"):
        exec(compile(block, "docs/authoring.md", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("block", [*blocks("definition.md", "yaml"), *blocks("authoring.md", "yaml")])
def test_example_in_the_docs_is_valid(block: str) -> None:
    assert find_problems(document_of(block), uses=USES, functions={"shop.book_line"}) == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("**/jobs/*.yaml")), ids=lambda path: path.name)
def test_job_of_the_repository_has_the_right_shape(path: Path) -> None:
    document = parse_document(path.read_text(encoding="utf-8")).document

    assert Schema(job_schema()).problems(document) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_example_of_the_repository_is_valid(path: Path) -> None:
    document = parse_document(path.read_text(encoding="utf-8")).document

    assert find_problems(document, uses=USES) == []


def test_docs_show_every_key_of_the_format() -> None:
    known = {key for properties in _properties(definition_schema()) for key in properties}
    shown = set().union(*(keys_in(document_of(block)) for block in blocks("definition.md", "yaml")))

    assert known <= shown


def test_expression_in_the_docs_gives_what_they_say() -> None:
    (context,) = blocks("definition.md", "json")
    (table,) = blocks("definition.md", "cel")
    scope = Scope(steps=frozenset({"charge"}), has_item=True)
    rows = [line.split(" => ") for line in table.splitlines()]

    given = [compile_expression(source.strip(), scope=scope).evaluate(json.loads(context)) for source, _ in rows]
    assert given == [json.loads(wanted) for _, wanted in rows]


def test_workflow_of_the_authoring_page_is_the_document_beside_it(shop: types.ModuleType) -> None:
    (block,) = blocks("authoring.md", "yaml")

    assert shop.order_to_cash.document == parse_document(block).document
    assert find_problems(shop.order_to_cash.document, uses=USES, functions=registry.schemas()) == []
    assert registry.names() == {"shop.book_line", "shop.look_up"}


def _properties(schema: JsonValue) -> list[Mapping[str, JsonValue]]:
    """This will find the `properties` of the schema and of everything in it."""
    if not isinstance(schema, Mapping):
        return []
    own = [schema["properties"]] if isinstance(schema.get("properties"), Mapping) else []
    below = [found for key, value in schema.items() if key != "examples" for found in _properties(value)]
    return [*cast("list[Mapping[str, JsonValue]]", own), *below]
