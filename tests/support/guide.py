"""Executes a page of the guide from top to bottom on the real engine: publishes its definitions, runs its Python.

What a page may use without importing it is in `Page.names`; `docs/guide/README.md` lists it for writers.
"""

import ast
import contextlib
import io
import os
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from _pytest.assertion.rewrite import rewrite_asserts
from django.core.management import call_command
from django.db.models import Q
from django.utils import timezone
from rest_framework.test import APIClient

from automation.receiving import expecting
from integrations.contract import ConnectionKind
from reconciliation import operations as reconciliation
from tests.flows import driving
from tests.support import hooks
from tests.support.peers.contract import Peer
from workflows import documents, operations
from workflows.core.definition import JsonValue
from workflows.dsl import DeclaredWorkflow
from workflows.models import Run
from workflows.operations import children, incidents, releasing

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
    find_peer: Callable[[str], Peer] | None = None

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
            "on_loopback": self.on_loopback,
            "pass_time": self.pass_time,
            "post_webhook": hooks.post,
            "publish": self.publish,
            "runs_of": self.runs_of,
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

    def runs_of(self, name: str) -> list[GuideRun]:
        """This will give the runs of a workflow that have begun since the page did, the earliest first."""
        runs = Run.objects.filter(workflow_name=name, created_at__gte=self.began_at).order_by("id")
        return [GuideRun(str(run), self.api) for run in runs.values_list("id", flat=True)]

    def work(self) -> None:
        """This will do all work that is due, as receivers, workers and schedulers do, until nothing is."""
        for _ in range(_ROUNDS):
            expecting.look(now=timezone.now())
            hooks.receive_all()
            children.sweep(now=timezone.now())
            releasing.sweep(now=timezone.now())
            incidents.sweep(now=timezone.now())
            open_runs = self._open_runs()
            if not driving.claimable(*open_runs):
                return
            driving.work(*open_runs)
        raise AssertionError("there is always more to do")

    def pass_time(self) -> None:
        """This will let the time come that the runs of the page wait for, and do what is due then."""
        driving.let_time_pass(*self._open_runs())
        self.work()

    def on_loopback(self, name: str, peer: str) -> Peer:
        """This will lead a connection of the page to the real peer that the tests of an adapter start, and give it."""
        assert self.find_peer is not None
        found = self.find_peer(peer)
        settings = found.connection()
        body: dict[str, Any] = {"base_url": settings.base_url, "options": settings.options, "allow_private": True}
        body["environment"] = settings.environment
        kind = found.adapter.kind if isinstance(found.adapter, ConnectionKind) else "http"
        references = {secret: _in_environment(name, secret, value) for secret, value in settings.secret_values.items()}
        if settings.secrets:
            body["secret_reference"] = _in_environment(name, "header", settings.secrets[0])
        self._connect({"connection": name, "kind": kind, "secrets": references, **body})
        return found

    def _connect(self, document: Mapping[str, Any]) -> None:
        body = {key: value for key, value in document.items() if key != "connection"}
        _answer(self.api.put(f"/api/v1/connections/{document['connection']}", body, format="json"))

    def _open_runs(self) -> list[UUID]:
        named = Q(workflow_name__in=self.published) | Q(workflow_name__regex="^(reconcile|repair)-guide-")
        ours = Run.objects.filter(named, state="running", created_at__gte=self.began_at)
        return list(ours.order_by("id").values_list("id", flat=True))

    def _publish_text(self, text: str) -> bool:
        document = documents.parse_document(text).document
        if {"name", "left", "right"} <= document.keys():
            self._publish_job(text)
            return True
        if {"connection", "kind"} <= document.keys():
            self._connect(document)
            return True
        if not {"name", "steps"} <= document.keys():
            return False
        self._publish(text)
        return True

    def _publish(self, source: str) -> None:
        version, _ = operations.publish(source=source, actor=driving.TESTER, now=timezone.now())
        self.published.append(version.workflow.name)

    def _publish_job(self, source: str) -> None:
        reconciliation.publish(source=source, actor=driving.TESTER, now=timezone.now())

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


def _in_environment(connection: str, name: str, value: str) -> str:
    """This will put a secret where workers find it, and give the reference to it."""
    variable = re.sub(r"[^A-Z0-9]", "_", f"{connection}_{name}".upper())
    os.environ[variable] = value
    return f"env:{variable}"


def _answer(response: Any) -> Mapping[str, Any]:  # Any: the client adds to responses
    assert response.status_code < 300, response.content
    answer: Mapping[str, Any] = response.json()
    return answer
