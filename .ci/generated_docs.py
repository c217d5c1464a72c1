"""Writes the parts of docs/ that the code knows best: diagrams, settings, the schema; `--check` only compares."""

import os
import re
import sys
from collections.abc import Mapping, Set
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.static_analysis")

import django  # noqa: E402  the project's root must be on the path first
import orjson  # noqa: E402

django.setup()

from config import env  # noqa: E402
from workflows.core.states import (  # noqa: E402
    ACTIVATION_TRANSITIONS,
    INCIDENT_TRANSITIONS,
    RUN_TRANSITIONS,
    ActivationState,
    IncidentState,
    RunState,
)
from workflows.definition_schema import published_schema  # noqa: E402
from workflows.operations import publishing  # noqa: E402

TOUR = ROOT / "docs" / "tour.md"
SETTINGS = ROOT / "docs" / "settings.md"
SCHEMA = ROOT / "docs" / "definition.schema.json"


def main() -> int:
    """This will write the pages, or tell with exit code 1 which are out of date."""
    pages = {TOUR: tour(), SETTINGS: settings(), SCHEMA: schema()}
    stale = [page for page, text in pages.items() if not page.exists() or page.read_text(encoding="utf-8") != text]
    if "--check" not in sys.argv:
        for page in stale:
            page.write_text(pages[page], encoding="utf-8")
        return 0
    for page in stale:
        print(f"{page.relative_to(ROOT)} is out of date: run `python .ci/generated_docs.py`")
    return 1 if stale else 0


def tour() -> str:
    """This will give docs/tour.md with the diagrams drawn from the tables of transitions."""
    text = TOUR.read_text(encoding="utf-8")
    text = _insert(text, name="run", diagram=_diagram(RUN_TRANSITIONS, first=RunState.RUNNING))
    activation = _diagram(ACTIVATION_TRANSITIONS, first=ActivationState.READY)
    text = _insert(text, name="activation", diagram=activation)
    return _insert(text, name="incident", diagram=_diagram(INCIDENT_TRANSITIONS, first=IncidentState.OPEN))


def settings() -> str:
    """This will give docs/settings.md from the declarations in config/env.py."""
    rows = [
        f"| `{declared.name}` | {declared.kind} | {_default(declared)} | {declared.unit or '-'} | {declared.meaning} |"
        for declared in env.declarations()
    ]
    head = [
        "# Settings",
        "",
        "Each comes from the environment and is checked when a process starts. This page is written from",
        "`config/env.py`. Tracing follows the standard `OTEL_*` variables.",
        "",
        "| name | type | default | unit | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


def schema() -> str:
    """This will give the JSON Schema of definitions as editors want it, with everything this project can use."""
    text = orjson.dumps(published_schema(publishing.uses()), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    return text.decode() + "\n"


def _default(declared: env.Declaration) -> str:
    if declared.default is None:
        return "must be given"
    return f"`{declared.default}`" if declared.default != () else "empty"


def _diagram(transitions: Mapping[StrEnum, Set[StrEnum]], *, first: StrEnum) -> str:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for state, following in transitions.items():
        lines += [f"    {state} --> {other}" for other in sorted(following)]
        if not following:
            lines.append(f"    {state} --> [*]")
    return "\n".join([*lines, "```"])


def _insert(text: str, *, name: str, diagram: str) -> str:
    pattern = re.compile(rf"(<!-- diagram: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}{diagram}\n{match[2]}", text)


if __name__ == "__main__":
    sys.exit(main())
