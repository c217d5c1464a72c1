"""The examples of docs/api.md work as they stand."""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from automation import operations
from automation.management.commands.automation import Command
from automation.problems import _REFUSALS
from tests.support.api import TESTER
from workflows.core.states import WaitReason

DOCS = Path(__file__).parent.parent.parent / "docs" / "api.md"


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """This will write nothing."""


@pytest.fixture
def api(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """This will be the address of a real server."""
    with django_db_blocker.unblock():
        application = get_wsgi_application()

        def serve(environ: dict[str, object], start_response: object) -> object:
            response = application(environ, start_response)
            connections.close_all()
            return response

        server = make_server("127.0.0.1", 0, serve, handler_class=_Quiet)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api/v1"
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples use curl, which is not installed")
def test_every_example_works_as_it_stands(api: str) -> None:
    now = timezone.now()
    _, token = operations.create_token(
        name="docs", scopes=["admin"], expires_at=now + timedelta(hours=1), actor=TESTER, now=now
    )
    blocks = re.findall(r"```bash\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\necho\n".join(blocks)],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "API": api, "TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert len(blocks) >= 7
    assert done.returncode == 0, done.stdout + done.stderr
    assert "did you mean 'greet'?" in done.stdout
    assert '"state":"cancelled"' in done.stdout


def test_every_refusal_is_listed() -> None:
    text = DOCS.read_text()

    assert [word for _, word in _REFUSALS.values() if f"`{word}`" not in text] == []


def test_every_wait_reason_is_listed() -> None:
    text = DOCS.read_text()

    assert [reason for reason in WaitReason if f"\n| `{reason}` |" not in text] == []


def test_every_subcommand_is_listed() -> None:
    parser = Command().create_parser("manage.py", "automation")
    actions = next(action for action in parser._actions if action.dest == "subcommand")
    text = DOCS.read_text().rsplit("## The same on the command line", 1)[1]

    assert actions.choices is not None
    assert [name for name in actions.choices if f"`{name}" not in text] == []
