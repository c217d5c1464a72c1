"""The guide shows whatever can be chosen; its pages are executed, so that what stands on them works."""

import re
from pathlib import Path

import pytest

from automation.verification.presets import PRESETS
from integrations import registry
from reconciliation.jobs import documents
from tests.support.guide import blocks

GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "guide"
EXECUTED = "\n".join(block.text for page in sorted(GUIDE.rglob("*.md")) for block in blocks(page))
COMPARATORS: list[str] = documents.job_schema()["$defs"]["comparator"]["enum"]  # type: ignore[index,call-overload]  # JSON


@pytest.mark.parametrize("name", sorted(registry.adapters()))
def test_guide_has_an_executed_page_for_each_adapter(name: str) -> None:
    assert re.search(rf'\buses"?: "?{re.escape(name)}\b', EXECUTED), f"no page of docs/guide/ executes {name}"


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_guide_has_an_executed_page_for_each_preset_of_webhooks(name: str) -> None:
    assert re.search(rf'preset"[:,] "{re.escape(name)}"', EXECUTED), f"no page of docs/guide/ executes {name}"


@pytest.mark.parametrize("name", documents.KINDS)
def test_guide_has_an_executed_page_for_each_source_of_reconciliation(name: str) -> None:
    assert re.search(rf"\b{name}:( \{{|$)", EXECUTED, re.MULTILINE), f"no page of docs/guide/ reads {name}"


@pytest.mark.parametrize("name", COMPARATORS)
def test_guide_has_an_executed_page_for_each_comparator(name: str) -> None:
    assert re.search(rf"\bfields: \{{[^}}]*: {name}\b|\bcompare: {name}\b", EXECUTED), f"no page compares by {name}"
