"""A secret of every store, sent to a peer that repeats it everywhere, is in nothing that anybody can read."""

import contextlib
import io
import logging
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations import credentials, operations, probes, queries, secret_operations
from integrations.connections import ConnectionSpec
from tests.flows import driving
from tests.support import admin_pages
from tests.support.api import client

pytestmark = pytest.mark.usefixtures("database")
SENT = "Zq7-s3cret/of+the=shop"


def repeat(request: Request) -> Response:
    """This will be a peer that shows what it was sent, wherever it can."""
    given = request.headers["Authorization"]
    status = 400 if request.path == "/fail" else 401 if request.path == "/denied" else 200
    body = f'{{"you sent": "{given}", "{given}": ["{credentials.shapes(SENT)[1]}"]}}'
    headers = {"ETag": f'"{SENT}"', "Location": f"/next?token={credentials.shapes(SENT)[3]}"}
    return Response(body, status=status, headers=headers, content_type="application/json")


def tables_with(text: str) -> list[str]:
    """This will name every table in which a text stands."""
    found = []
    with database.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.tables"
            " where table_schema = current_schema() and table_type = 'BASE TABLE'"
        )
        tables = [table for (table,) in cursor.fetchall()]
        for table in tables:
            cursor.execute(f'select count(*) from "{table}" as row where row::text like %s', [f"%{text}%"])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


@pytest.mark.parametrize("kept_in", ["env", "db"])
def test_a_planted_secret_never_comes_out(
    kept_in: str,
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    name = f"planted-{uuid4().hex[:8]}"
    now = timezone.now()
    monkeypatch.setenv("SHOP_TOKEN", SENT)
    secret_operations.set_secret(name=name, value=SENT, actor=driving.TESTER, now=now)
    httpserver.expect_request("/ok").respond_with_handler(repeat)
    httpserver.expect_request("/fail").respond_with_handler(repeat)
    httpserver.expect_request("/denied").respond_with_handler(repeat)
    spec = ConnectionSpec(
        name=name,
        base_url=httpserver.url_for("/"),
        allow_private=True,
        secret_reference="env:SHOP_TOKEN" if kept_in == "env" else f"db:{name}",
        options={"health": {"path": "/denied"}},
    )
    operations.save_connection(spec=spec, actor=driving.TESTER, now=now, correlation_id="")
    steps = {
        path: {"uses": "http.request", "connection": name, "with": {"path": f"/{path}"}}
        for path in ("ok", "fail", "denied")
    }

    run_id = driving.begin(steps)
    driving.work(run_id)
    probes.probe(name=name, actor=driving.TESTER, now=now)

    assert [request.headers["Authorization"] for request, _ in httpserver.log][:3] == [f"Bearer {SENT}"] * 3
    told = read_everything(run_id, name=name) + caplog.text
    assert "***" in told
    for shape in credentials.shapes(SENT):
        assert shape not in told
        assert tables_with(shape) == []
    queries.forget_connections()


def read_everything(run_id: UUID, *, name: str) -> str:
    """This will be all that API, admin and command line tell of a run and a connection."""
    api, browser = client("admin"), admin_pages.browser(admin_pages.user(is_superuser=True))
    row = queries.get_row(name)
    paths = [
        *(f"/api/v1/runs/{run_id}{part}" for part in ("", "/steps", "/why", "/events")),
        "/api/v1/dead-letters?limit=200",
        "/api/v1/incidents?limit=200",
        f"/api/v1/connections/{name}",
        f"/api/v1/secrets/{name}",
    ]
    pages = [f"/admin/workflows/run/{run_id}/change/", f"/admin/integrations/connection/{row.pk}/change/"]
    pages += ["/admin/integrations/connection/", "/admin/integrations/storedsecret/"]
    texts = [api.get(path).content.decode() for path in paths] + [browser.get(path).content.decode() for path in pages]
    for arguments in (["show", str(run_id)], ["connections", "show", name], ["connections"], ["secrets"]):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            call_command("automation", *arguments)
        texts.append(out.getvalue())
    return "\n".join(texts)
