"""Every page of the guide does what it says, on the real engine; see `tests/support/guide.py`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.support import api
from tests.support.guide import Page
from tests.support.peers import table
from tests.support.peers.contract import Services
from workflows import dsl, registry

GUIDE = Path(__file__).resolve().parent.parent.parent / "docs" / "guide"
PAGES = sorted(path for path in GUIDE.rglob("*.md") if path.name != "README.md")


@pytest.fixture
def declarations(database: None, django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This will forget what a page declares when it ends."""
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))
    monkeypatch.setattr(dsl, "_declared", dict(dsl._declared))
    with django_db_blocker.unblock():
        yield


@pytest.mark.usefixtures("declarations")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_does_what_it_says(path: Path, services: Services) -> None:
    page = Page(path=path, api=api.client("admin"), find_peer=lambda name: table.find(name, services=services))

    assert page.execute() > 1
