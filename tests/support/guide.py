"""Executes a page of the guide from top to bottom on the real engine: publishes its definitions, runs its Python.

What a page may use without importing it is in `Page.names`; `docs/guide/README.md` lists it for writers.
"""

import ast
import contextlib
import io
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from _pytest.assertion.rewrite import rewrite_asserts
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from tests.flows import driving
from workflows import documents, operations
from workflows.core.definition import JsonValue
from workflows.dsl import DeclaredWorkflow
from workflows.models import Run
from workflows.operations import children

_BLOCK = re.compile(r"^```(?P<language>yaml|python)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
_ROUNDS = 100


class Block(NamedTuple):
    """A fenced block and the line of the page its text begins at."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """This will give the YAML and Python of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(found["language"], found["text"], text.count("\n", 0, found.start("text")) + 1)


@dataclass(frozen=True)
class GuideRun:
    """A run as a reader of the page sees it: through the API, as it is at this moment."""

    id: str
    api: APIClient

    @property
    def details(self) -> Mapping[str, Any]:  # Any: JSON
        """This will read the run."""
        return _answer(self.api.get(f"/api/v1/runs/{self.id}"))

    @property
    def state(self) -> str:
        """This will give its state."""
        return str(self.details["state"])

    @property
    def output(self) -> Any:  # Any: JSON
        """This will give its output."""
        return self.details["output"]

    @property
    def error(self) -> Any:  # Any: JSON
        """This will give what made it fail, or None."""
        return self.details["error"]

    @property
    def waits(self) -> list[tuple[str, str]]:
        """This will give the reason and the object of everything it waits for."""
        return [(wait["reason"], wait["object_name"]) for wait in self.details["waits"]]

    @property
    def steps(self) -> Mapping[str, str]:
        """This will give the state of every step."""
        return {step["step"]: step["state"] for step in self._steps()}

    @property
    def outputs(self) -> Mapping[str, Any]:  # Any: JSON
        """This will give the output of every step."""
        return {step["step"]: step["output"] for step in self._steps()}

    @property
    def trail(self) -> list[str]:
        """This will give the kinds of its audit events, in their order."""
        return driving.trail(UUID(self.id))

    def _steps(self) -> list[Any]:  # Any: JSON
        return list(_answer(self.api.get(f"/api/v1/runs/{self.id}/steps"))["results"])


@dataclass
class Page:
    """A page under execution: what it has published, and the names its Python sees."""

    path: Path
    api: APIClient
    began_at: datetime = field(default_factory=timezone.now)
    published: list[str] = field(default_factory=list)

    def execute(self) -> int:
        """This will execute the page; gives how many of its blocks did something."""
        module = types.ModuleType("shop.workflows")
        module.__dict__.update(self.names())
        done = 0
        for block in blocks(self.path):
            if block.language == "python":
                exec(self._compiled(block), module.__dict__)
            elif not self._publish_text(block.text):
                continue
            done += 1
        return done

    def names(self) -> Mapping[str, object]:
        """This will give what the Python of the page may use."""
        return {
            "api": self.api,
            "automation": automation,
            "pass_time": self.pass_time,
            "publish": self.publish,
            "start": self.start,
            "work": self.work,
        }

    def publish(self, workflow: DeclaredWorkflow | Mapping[str, Any]) -> None:  # Any: JSON
        """This will publish a workflow declared in Python, or a document."""
        document = workflow.document if isinstance(workflow, DeclaredWorkflow) else workflow
        self._publish(orjson.dumps(document).decode())

    def start(self, name: str, value: JsonValue = None, **more: object) -> GuideRun:
        """This will start a run over the API; `more` is what `POST /runs` takes besides."""
        body = {"workflow": name, "input": value, **more}
        return GuideRun(_answer(self.api.post("/api/v1/runs", body, format="json"))["id"], self.api)

    def work(self) -> None:
        """This will do all work that is due, as workers and schedulers do, until nothing is."""
        for _ in range(_ROUNDS):
            children.sweep(now=timezone.now())
            open_runs = self._open_runs()
            if not driving.claimable(*open_runs):
                return
            driving.work(*open_runs)
        raise AssertionError("there is always more to do")

    def pass_time(self) -> None:
        """This will let the time come that the runs of the page wait for, and do what is due then."""
        driving.let_time_pass(*self._open_runs())
        self.work()

    def _open_runs(self) -> list[UUID]:
        ours = Run.objects.filter(workflow_name__in=self.published, state="running", created_at__gte=self.began_at)
        return list(ours.order_by("id").values_list("id", flat=True))

    def _publish_text(self, text: str) -> bool:
        document = documents.parse_document(text).document
        if not {"name", "steps"} <= document.keys():
            return False
        self._publish(text)
        return True

    def _publish(self, source: str) -> None:
        version, _ = operations.publish(source=source, actor=driving.TESTER, now=timezone.now())
        self.published.append(version.workflow.name)

    def _compiled(self, block: Block) -> types.CodeType:
        """Line numbers are those of the page, and a failed assertion shows its values."""
        source = "\n" * (block.line - 1) + block.text
        tree = ast.parse(source, filename=str(self.path))
        rewrite_asserts(tree, source.encode(), str(self.path))
        return compile(tree, str(self.path), "exec")


def automation(*arguments: object) -> str:
    """This will give what the command `automation` prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        call_command("automation", *(str(argument) for argument in arguments))
    return out.getvalue()


def _answer(response: Any) -> Mapping[str, Any]:  # Any: the client adds to responses
    assert response.status_code < 300, response.content
    answer: Mapping[str, Any] = response.json()
    return answer
