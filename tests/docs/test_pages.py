"""What the documentation says must be there: paths it cites, commands it names, definitions it shows."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciliation.jobs.documents import job_schema
from workflows import documents, validation
from workflows.operations import publishing
from workflows.schema import Schema

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
APPS = "audit|automation|integrations|reconciliation|retention|workflows"
TOP = rf"{APPS}|benchmarks|config|deploy|docs|examples|tests|\.ci"
CITED = re.compile(rf"(?<![\w/:.-])((?:{TOP})/[\w./-]*[\w/])")


def blocks(page: Path, *, language: str) -> Iterator[str]:
    """This will give the fenced blocks of a page in one language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def definitions() -> list[tuple[str, str]]:
    """This will give every whole definition shown anywhere, by page."""
    return [
        (page.name, block)
        for page in PAGES
        for block in blocks(page, language="yaml")
        if block.startswith("name:") and "\nsteps:" in block
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_cited_paths_exist(page: Path) -> None:
    cited = CITED.findall(page.read_text(encoding="utf-8"))
    missing = [path for path in cited if not (ROOT / path).exists()]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]

    assert missing == []


def test_make_targets_named_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"`?\bmake ([a-z]+)`", page.read_text(encoding="utf-8"))}

    assert named <= targets


def test_every_shown_definition_is_right() -> None:
    shown = definitions()

    assert shown
    for _, source in shown:
        document = documents.parse_document(source).document
        validation.parse_definition(document, uses=publishing.uses(), functions=None)


def test_every_shown_reconciliation_job_has_the_right_shape() -> None:
    shown = [block for page in PAGES for block in blocks(page, language="yaml") if "\nright:" in block]
    schema = Schema(job_schema())

    assert shown
    assert [schema.problems(documents.parse_document(source).document) for source in shown] == [[] for _ in shown]


def test_index_of_the_guide_lists_every_page() -> None:
    guide = ROOT / "docs" / "guide"
    listed = re.findall(r"^\| \[([\w/]+\.md)\]", (guide / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    pages = (str(path.relative_to(guide)) for path in guide.rglob("*.md"))

    assert sorted(listed) == sorted(page for page in pages if page != "README.md")


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ".ci/generated_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
