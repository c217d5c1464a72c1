"""Connections from outside: API, command line and publishing; secrets are only ever named."""

import contextlib
import re
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_httpserver import HTTPServer

from audit import queries as trail
from integrations import kinds, operations, probes, queries
from integrations.connections import ConnectionSpec
from integrations.contract import CallContext
from integrations.errors import Refused, UnknownConnection
from tests.flows.driving import TESTER
from tests.support import admin_pages
from tests.support.api import client
from workflows import operations as workflows
from workflows.core.problems import DefinitionInvalid

pytestmark = pytest.mark.django_db
SHOP = {"base_url": "https://shop.example", "owner": "shop team", "allowed_hosts": ["*.example"], "environment": "test"}


@pytest.fixture
def name() -> str:
    """This will be the name of a connection that no other test uses."""
    return f"shop-{uuid4().hex[:12]}"


def printed(*arguments: str) -> str:
    """This will give what the command prints to the terminal."""
    with contextlib.redirect_stdout(StringIO()) as out:
        call_command("automation", "connections", *arguments)
    return out.getvalue()


def test_api_makes_changes_reads_and_lists(name: str) -> None:
    caller, path = client("admin"), f"/api/v1/connections/{name}"

    made = caller.put(path, SHOP, format="json")
    again = caller.put(path, SHOP, format="json")
    changed = caller.put(path, {"base_url": "https://shop.example", "rate_limit": 7}, format="json")
    listed = caller.get("/api/v1/connections", {"kind": "http", "environment": "live", "limit": 200}).json()

    assert (made.status_code, again.status_code, changed.status_code) == (201, 200, 200)
    assert made.json()["allowed_hosts"] == ["*.example"]
    assert (changed.json()["rate_limit"], changed.json()["owner"]) == (7, "")
    assert name in [one["name"] for one in listed["results"]]
    assert [event.kind for event in trail.events_for(name)] == ["connection.changed"] * 2


def test_api_names_what_is_wrong_by_its_path(name: str) -> None:
    wrong = {"base_url": "x", "secrets": {"pin": "1234"}, "options": {"health": {}}, "allowed_hosts": ["a b"]}

    answer = client("admin").put(f"/api/v1/connections/{name}", wrong, format="json")
    unknown = client("admin").put(f"/api/v1/connections/{name}", {"url": "x"}, format="json")

    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "connection-invalid")
    paths = [problem["path"] for problem in answer.json()["problems"]]
    assert paths == ["$.allowed_hosts[0]", "$.base_url", "$.options.health", "$.secrets.pin"]
    assert "1234" not in answer.content.decode()
    assert "is no field of a connection" in unknown.json()["detail"]
    assert client("runs:read").get(f"/api/v1/connections/{name}").status_code == 404


def test_api_needs_an_administrator_to_write(name: str) -> None:
    caller = client("runs:read", "definitions:write")

    assert caller.put(f"/api/v1/connections/{name}", SHOP, format="json").status_code == 403
    kinds_by_name = {kind["name"]: kind for kind in caller.get("/api/v1/connection-kinds").json()["results"]}
    assert "http.request" in kinds_by_name["http"]["uses"]


def test_command_makes_shows_and_changes_what_is_named(name: str, tmp_path: Path) -> None:
    assert "is made" in printed("set", name, "base_url=https://shop.example", "allowed_hosts=[shop.example]")
    assert "is as it was" in printed("set", name)
    assert "is changed" in printed("set", name, "options.health.path=/up", "rate_limit=5")
    shown = printed("show", name)
    assert "path: /up" in shown
    file = tmp_path / "shop.yaml"
    file.write_text(shown.replace("rate_limit: 5", "rate_limit: 6"))
    assert "is changed" in printed("set", name, "--file", str(file))
    assert queries.get_connection(name).rate_limit == 6
    assert re.search(rf"{name} .*http .*live", printed("list", "--environment", "live"))
    assert "http.request" in printed("kinds")


@pytest.mark.parametrize(
    "arguments",
    [["show", "nobody"], ["set", "x", "color=red"], ["set", "X y", "base_url=https://x.example"], ["set", "x"]],
)
def test_command_refuses_with_one_line(arguments: list[str]) -> None:
    with pytest.raises(CommandError) as refusal:
        printed(*arguments)

    assert (refusal.value.returncode, "\n" in str(refusal.value)) == (2, False)


def test_a_step_whose_connection_is_of_another_kind_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operations.save_connection(
        spec=ConnectionSpec(name=name, base_url="https://shop.example"),
        actor=TESTER,
        now=timezone.now(),
        correlation_id="",
    )
    monkeypatch.setattr(kinds, "by_use", lambda: {"http.request": "pigeon"})
    step = f"{{uses: http.request, connection: {name}, with: {{path: /x}}}}"
    source = f"name: kinds-{name}\nsteps:\n  a: {{uses: set, undo: {step}}}\nfinally:\n  z: {step}\n"

    with pytest.raises(DefinitionInvalid) as invalid:
        workflows.publish(source=source, actor=TESTER, now=timezone.now())
    with pytest.raises(Refused, match="needs a connection of the kind 'pigeon'"):
        operations.call(uses="http.request", inputs={"path": "/x"}, connection=name, context=CONTEXT)

    paths = [problem.path for problem in invalid.value.problems]
    assert paths == ["$.steps.a.undo.connection", "$.finally.z.connection"]


CONTEXT = CallContext(idempotency_key="k", timeout_s=60, attempt=1, run_id="r", step="s", correlation_id="c")


def test_probe_is_kept_on_the_row_audited_and_told(
    name: str, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cret-of-the-shop")
    httpserver.expect_request("/v2/up", headers={"Authorization": "Bearer s3cret-of-the-shop"}).respond_with_data("ok")
    printed(
        "set",
        name,
        f"base_url={httpserver.url_for('/v2')}",
        "allow_private=true",
        "options.health.path=up",
        "secret_reference=env:SHOP_TOKEN",
    )
    path, caller = f"/api/v1/connections/{name}", client("definitions:write", "runs:read")

    well = caller.post(f"{path}/probe").json()
    httpserver.clear()
    httpserver.expect_request("/v2/up").respond_with_data("s3cret-of-the-shop", status=401)
    unwell = caller.post(f"{path}/probe").json()
    row = caller.get(path).json()

    assert (well["is_well"], unwell["is_well"], row["is_well"]) == (True, False, False)
    assert well["detail"].startswith("GET was answered with 200 in ")
    assert row["probe_detail"] == unwell["detail"]
    assert [event.kind for event in trail.events_for(name)][1:] == ["connection.probed"] * 2
    assert queries.connections_unwell()[name] == row["probe_detail"]
    with pytest.raises(SystemExit):
        printed("probe", name)
    printed("set", name, "owner=shop team")
    assert caller.get(path).json()["is_well"] is None


def test_probe_of_what_cannot_be_reached_or_resolved_is_not_well_and_raises_nothing(name: str) -> None:
    now = timezone.now()
    printed("set", name, "base_url=http://127.0.0.1:9", "secret_reference=env:NOT_SET_ANYWHERE")
    unresolved = probes.probe(name=name, actor=TESTER, now=now)
    printed("set", name, "secret_reference=")
    private = probes.probe(name=name, actor=TESTER, now=now)
    printed("set", name, "allow_private=true")
    closed = probes.probe(name=name, actor=TESTER, now=now)

    assert [one.is_well for one in (unresolved, private, closed)] == [False] * 3
    assert "NOT_SET_ANYWHERE" in unresolved.detail
    assert "not a public address" in private.detail
    assert "was not sent" in closed.detail
    with pytest.raises(UnknownConnection):
        probes.probe(name=f"{name}-other", actor=TESTER, now=now)


@pytest.mark.parametrize(("status", "is_well"), [(404, True), (429, True), (401, False), (403, False), (502, False)])
def test_probe_of_a_base_url_takes_any_answer_of_a_living_peer(
    name: str, httpserver: HTTPServer, status: int, is_well: bool
) -> None:
    httpserver.expect_request("/", method="HEAD").respond_with_data("", status=405)
    httpserver.expect_request("/", method="GET").respond_with_data("", status=status)
    printed("set", name, f"base_url={httpserver.url_for('/')}", "allow_private=true")

    found = probes.probe(name=name, actor=TESTER, now=timezone.now())

    assert (found.is_well, found.detail.partition(" in ")[0]) == (is_well, f"GET was answered with {status}")


def test_admin_page_tests_a_connection_and_shows_what_it_found(name: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/", method="HEAD").respond_with_data("", status=204)
    printed("set", name, f"base_url={httpserver.url_for('/')}", "allow_private=true", "secret_reference=env:PATH",
            "rate_limit=5")  # fmt: skip
    row = queries.get_row(name)
    browser = admin_pages.browser(admin_pages.user(is_superuser=True))
    reader = admin_pages.browser(admin_pages.user("integrations.view_connection"))
    page, test = (f"/admin/integrations/connection/{row.pk}/{part}/" for part in ("change", "test"))

    before = browser.get(page).content.decode()
    answer = browser.post(test, follow=True).content.decode()

    assert "not tested" in before
    assert "Test connection" in before
    assert "HEAD was answered with 204" in answer
    assert "5 in 1 s, 1 at once" in answer
    assert "env:PATH" in answer
    assert "well" in browser.get("/admin/integrations/connection/", {"q": name}).content.decode()
    assert "Test connection" not in reader.get(page).content.decode()
    assert reader.post(test).status_code == 403
    assert len([event for event in trail.events_for(name) if event.kind == "connection.probed"]) == 1
