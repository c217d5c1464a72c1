"""What a definition may say to adapters: statements and commands are written down, never put together."""

from typing import Any

import pytest

from workflows import validation
from workflows.operations import publishing


def problems(uses: str, inputs: Any) -> list[tuple[str, str]]:  # Any: JSON
    """This will give what is wrong with a step that uses an adapter."""
    document = {"name": "w", "steps": {"one": {"uses": uses, "connection": "peer", "with": inputs}}}
    found = validation.find_problems(document, uses=publishing.uses(), functions=None)
    return [(problem.path, problem.message) for problem in found]


@pytest.mark.parametrize(
    ("uses", "name"),
    [("sql.query", "sql"), ("sql.execute", "sql"), ("ssh.run", "command"), ("salesforce.query", "soql")],
    ids=str,
)
def test_a_statement_that_is_computed_is_refused(uses: str, name: str) -> None:
    computed = "DELETE FROM orders WHERE id = ${{ input.id }}"

    assert problems(uses, {name: computed}) == [(f"$.steps.one.with.{name}", "must be written here, not computed")]
    assert problems(uses, {name: "DELETE FROM orders"}) == []


def test_values_may_be_computed() -> None:
    inputs = {"sql": "SELECT :id AS id", "params": {"id": "${{ input.id }}", "ids": "${{ input.ids }}"}}

    assert problems("sql.query", inputs) == []


def test_inputs_of_an_adapter_are_checked_with_paths() -> None:
    inputs = {"steps": [{"goto": "/"}, {"fill": {"selector": "#a"}}]}

    assert problems("browser.run", inputs)[0][0].startswith("$.steps.one.with.steps[1]")
