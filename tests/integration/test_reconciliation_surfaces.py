"""Reconciliation from outside: API, admin, command line, files, pages of an adapter, alerts."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from automation.alerting.rule import RuleKind
from automation.alerting.signs import look
from integrations import operations as integrations
from integrations.calls import store
from integrations.calls.store import Ask
from integrations.connections import ConnectionSpec
from reconciliation import queries
from reconciliation.models import Repair, Variance
from tests.flows.driving import TESTER, begin, call, work
from tests.flows.reconciliations import BOOKS, Books
from tests.support import admin_pages
from tests.support.api import client

pytestmark = pytest.mark.django_db
BASE = "/api/v1/reconciliation"


@pytest.fixture
def job() -> Iterator[str]:
    """This will be a published job, one of whose two records differs on the right."""
    name = f"job-{uuid4().hex[:12]}"
    BOOKS[name] = Books(left={"a": {"total": 1}, "b": {"total": 2}}, right={"a": {"total": 1}, "b": {"total": 3}})
    answer = client("definitions:write").post(f"{BASE}/jobs", {"source": text(name)}, format="json")
    assert (answer.status_code, answer.json()["version"]) == (201, 1)
    yield name
    del BOOKS[name]


@pytest.fixture
def browser() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


def text(name: str, **more: object) -> str:
    sides = {
        side: {"function": {"call": "flows.ledger", "args": {"book": name, "side": side}}} for side in ("left", "right")
    }
    args = {"book": name, "key": "${{ input.key }}", "record": "${{ input.correct }}", "repair": "r"}
    rule = {
        "name": "left-wins",
        "right": "left",
        "repair": {"uses": "python", "with": {"call": "flows.book_right", "args": args}},
    }
    document = {"name": name, **sides, "key": "id", "fields": {"total": "number"}, "amount": "total", "rules": [rule]}
    return orjson.dumps({**document, **more}).decode()


def compare(name: str, **options: object) -> dict[str, object]:
    """Compares through the API, as a run of the engine, and gives the comparison."""
    started = client("runs:write").post(f"{BASE}/jobs/{name}/compare", options, format="json")
    assert started.status_code == 202
    run = started.json()["run"]
    work(UUID(run))
    (row,) = client("runs:read").get(f"{BASE}/comparisons", {"run": run}).json()["results"]
    return dict(row)


def command(*arguments: object) -> str:
    out = StringIO()
    call_command("automation", *(str(argument) for argument in arguments), stdout=out)
    return out.getvalue()


def test_api_compares_shows_repairs_and_confirms(job: str) -> None:
    caller = client("admin")
    shown = compare(job)
    assert (shown["found"], shown["by_kind"], shown["plan"]["rules"]) == (  # type: ignore[index]
        1,
        {"differs": 1},
        {"left-wins": {"shown": 1}},
    )

    forced = caller.post(f"{BASE}/jobs/{job}/rules/left-wins/put-in-force").json()
    assert forced["rules_in_force"] == ["left-wins"]
    compare(job)
    (variance,) = caller.get(f"{BASE}/variances", {"job": job}).json()["results"]
    repair = caller.get(f"{BASE}/variances/{variance['id']}").json()["repairs"][0]
    assert repair["state"] == "started"
    work(UUID(repair["run"]))
    assert caller.get(f"{BASE}/variances/{variance['id']}").json()["state"] == "repaired"

    assert compare(job)["confirmed"] == 1
    closed = caller.get(f"{BASE}/variances/{variance['id']}").json()
    assert (closed["state"], closed["closed_how"], closed["left"]) == ("closed", "confirmed", {"id": "b", "total": 2})


def test_api_answers_many_and_says_what_could_not_be_changed(job: str) -> None:
    compare(job)
    (variance,) = client("runs:read").get(f"{BASE}/variances", {"job": job, "state": "open"}).json()["results"]
    body = {"ids": [variance["id"], 999_999_999], "state": "accepted", "note": "rounding"}

    told = client("runs:write").post(f"{BASE}/variances/answer", body, format="json").json()
    reading = client("runs:read").post(f"{BASE}/variances/answer", body, format="json")

    assert told == {"changed": [variance["id"]], "refused": {"999999999": "there is no such variance"}}
    assert reading.status_code == 403
    assert client("runs:read").get(f"{BASE}/variances/{variance['id']}").json()["note"] == "rounding"


def test_variance_leads_to_the_run_behind_its_record(job: str) -> None:
    run_id = begin({"only": call("noop")})
    BOOKS[job].right["b"]["touched_by"] = str(run_id)
    source = text(job, trace="touched_by")
    published = client("definitions:write").post(f"{BASE}/jobs", {"source": source}, format="json").json()
    compare(job)

    (variance,) = client("runs:read").get(f"{BASE}/variances", {"trace": str(run_id)}).json()["results"]

    assert published["version"] == 2
    assert client("runs:read").get(f"{BASE}/variances/{variance['id']}").json()["run"] == str(run_id)


def noted(run_id: UUID, *, is_safe: bool) -> str:
    """Writes a call of the run into the ledger, and gives its key."""
    key = str(uuid4())
    ask: Ask = {
        "key": key, "run_id": str(run_id), "workflow_name": "shop", "step": "charge", "index": None, "round": None,
        "correlation_id": "", "adapter": "http.request", "connection": "bank", "digest": "d", "is_safe": is_safe,
        "timeout_s": 1.0,
    }  # fmt: skip
    store.begin([ask])
    return key


def test_variance_leads_to_the_calls_behind_its_record(job: str, browser: Client) -> None:
    run_id = begin({"only": call("noop")})
    read, charge, refund = noted(run_id, is_safe=True), noted(run_id, is_safe=False), noted(run_id, is_safe=False)
    BOOKS[job].right["a"]["total"] = 9
    for key, trace in (("a", charge.upper()), ("b", str(run_id))):
        BOOKS[job].right[key]["touched_by"] = trace
    published = {"source": text(job, trace="touched_by")}
    assert client("definitions:write").post(f"{BASE}/jobs", published, format="json").status_code == 201
    row = compare(job)

    reader = client("runs:read")
    found = {one.key: reader.get(f"{BASE}/variances/{one.pk}").json() for one in Variance.objects.filter(job__name=job)}
    assert [one["key"] for one in found["a"]["calls"]] == [charge]
    assert {one["key"] for one in found["b"]["calls"]} == {charge, refund}
    assert {one["run"] for one in found.values()} == {str(run_id)}
    page = browser.get(f"/admin/reconciliation/variance/{found['a']['id']}/change/").content.decode()
    assert f"/admin/integrations/call/{charge}/change/" in page
    assert refund not in page
    report = reader.get(f"{BASE}/comparisons/{row['id']}/report.html").content.decode()
    lines = b"".join(reader.get(f"{BASE}/comparisons/{row['id']}/report.csv")).decode()
    for told in (report, lines):
        assert charge in told
        assert refund in told
        assert read not in told


def test_repair_leads_to_the_calls_its_run_has_made(job: str, browser: Client) -> None:
    compare(job)
    client("definitions:write").post(f"{BASE}/jobs/{job}/rules/left-wins/put-in-force")
    compare(job)
    repair = Repair.objects.exclude(run_id=None).get(variance__job__name=job)
    assert repair.run_id is not None
    key = noted(repair.run_id, is_safe=False)

    variance = client("runs:read").get(f"{BASE}/variances/{repair.variance_id}").json()

    assert [[call["key"] for call in one["calls"]] for one in variance["repairs"] if one["run"]] == [[key]]
    page = browser.get(f"/admin/reconciliation/variance/{repair.variance_id}/change/").content.decode()
    assert f"/admin/integrations/call/{key}/change/" in page
    assert "repair by left-wins" in page


def test_job_is_refused_whose_connection_is_not_there_or_of_another_kind(job: str) -> None:
    sql, options = f"sql-{job}", {"database": "a", "user": "b"}
    spec = ConnectionSpec(name=sql, base_url="postgresql://db.example", kind="sql", options=options)
    integrations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="")
    pages = {"uses": "http.request", "connection": sql, "with": {"path": "/"}, "records": "output.body"}
    wrong = {"left": {"sql": {"query": "select 1 as id", "connection": "nowhere"}}, "right": {"pages": pages}}

    answer = client("definitions:write").post(f"{BASE}/jobs", {"source": text(job, **wrong)}, format="json")

    told = {one["path"]: one["message"] for one in answer.json()["problems"]}
    assert told == {
        "$.left.sql.connection": "there is no connection 'nowhere'",
        "$.right.pages.connection": f"http.request needs a connection of the kind 'http', {sql} is of the kind 'sql'",
    }


def test_api_tells_every_problem_of_a_job_with_its_line() -> None:
    wrong = "name: Wrong\nleft: {file: {path: a.csv}}\nright: {pages: {uses: nothing, with: {}, records: output}}\n"

    answer = client("definitions:write").post(f"{BASE}/jobs", {"source": wrong}, format="json")

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:problem-type:automation:job-invalid"
    assert {(one["path"], one["line"]) for one in answer.json()["problems"]} >= {("$.name", 1)}
    assert client("runs:read").get(f"{BASE}/jobs/nothing").status_code == 404
    assert client("runs:read").get(f"{BASE}/schema").json()["title"] == "Reconciliation job"


def test_report_stands_alone_and_csv_holds_no_formula(job: str) -> None:
    BOOKS[job].right["=1+1<b>"] = {"total": 1}
    row = compare(job)

    page = client("runs:read").get(f"{BASE}/comparisons/{row['id']}/report.html")
    lines = client("runs:read").get(f"{BASE}/comparisons/{row['id']}/report.csv")

    assert "=1+1&lt;b&gt;" in page.content.decode()
    assert "src=" not in page.content.decode()
    assert ",'=1+1<b>,missing_left," in b"".join(lines).decode()


def test_command_line_compares_and_answers(job: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        command("reconcile", job, "--html", tmp_path / "report.html", "--csv", tmp_path / "found.csv")
    assert ended.value.code == 1
    assert "differs" in (tmp_path / "found.csv").read_text()
    assert "</html>" in (tmp_path / "report.html").read_text()
    variance = Variance.objects.get(job__name=job)

    call_command("automation", "variances", "answer", "accepted", str(variance.pk))
    call_command("automation", "reconcile", job)

    variance.refresh_from_db()
    assert (variance.state, variance.seen) == ("accepted", 2)
    with pytest.raises(CommandError, match="no reconciliation job 'nothing'"):
        call_command("automation", "reconcile", "nothing")


def test_alerts_look_at_what_each_comparison_was_the_first_to_find(job: str) -> None:
    first = compare(job)
    BOOKS[job].right["c"] = {"total": 9}
    second = compare(job)

    signs = look([RuleKind.VARIANCE], now=timezone.now())[RuleKind.VARIANCE]

    assert [(one.object, one.count) for one in signs if one.scope == job] == [
        (f"{job} #{first['id']}", 1),
        (f"{job} #{second['id']}", 1),
    ]


def test_files_of_both_forms_are_sorted_and_compared(tmp_path: Path, settings: Settings) -> None:
    settings.RECONCILIATION_FILES = str(tmp_path)
    name = f"job-{uuid4().hex[:12]}"
    (tmp_path / "orders.csv").write_text("id,total\nb,2.00\na,1.00\nc,3.00\n")
    (tmp_path / "paid.jsonl").write_text('{"id":"c","cents":300}\n{"id":"a","cents":100}\n{"id":"b","cents":201}\n')
    field = {"compare": "money", "left": "total", "right": "cents", "unit": {"right": "minor"}, "currency": "EUR"}
    document = {
        "name": name,
        "left": {"file": {"path": "orders.csv"}, "where": "record.id != 'c'"},
        "right": {"file": {"path": "paid.jsonl"}, "where": "record.id != 'c'"},
        "key": "id",
        "fields": {"total": field},
    }
    answer = client("definitions:write").post(
        f"{BASE}/jobs", {"source": orjson.dumps(document).decode()}, format="json"
    )
    assert answer.status_code == 201

    row = compare(name)

    assert (row["left_rows"], row["equal"], row["by_kind"]) == (2, 1, {"differs": 1})
    (tmp_path / "orders.csv").write_text("id,total\nb\n")
    with pytest.raises(CommandError, match=r"left: orders.csv, line 2: it has not the 2 columns of line 1"):
        call_command("automation", "reconcile", name)


def test_own_database_is_read_only_where_the_site_allows_it(settings: Settings) -> None:
    name = f"job-{uuid4().hex[:12]}"
    query = "select n::text as id, n * :factor as total from generate_series(1, 5) as n"
    side = {"sql": {"query": query, "params": {"factor": 2}}}
    source = orjson.dumps(
        {"name": name, "left": side, "right": side, "key": "id", "fields": {"total": "number"}}
    ).decode()
    caller = client("definitions:write")

    refused = caller.post(f"{BASE}/jobs", {"source": source}, format="json").json()
    settings.RECONCILIATION_OWN_SQL = True
    caller.post(f"{BASE}/jobs", {"source": source}, format="json")

    assert refused["problems"][0]["path"] == "$.left.sql"
    assert compare(name)["equal"] == 5


def test_admin_shows_every_page_and_its_buttons_work(job: str, browser: Client) -> None:
    compare(job)
    found, variance = queries.get_job(job), Variance.objects.get(job__name=job)
    root = "/admin/reconciliation"
    for path in (
        f"{root}/job/",
        f"{root}/job/{found.pk}/change/",
        f"{root}/job/{found.pk}/edit/",
        f"{root}/job/add/",
        f"{root}/comparison/",
        f"{root}/comparison/{variance.last_comparison_id}/change/",
        f"{root}/comparison/{variance.last_comparison_id}/report.html",
        f"{root}/comparison/{variance.last_comparison_id}/report.csv",
        f"{root}/variance/?state=all",
        f"{root}/variance/{variance.pk}/change/",
    ):
        assert browser.get(path).status_code == 200, path

    action = {"action": "accept_selected", "_selected_action": [variance.pk]}
    browser.post(f"{root}/variance/", action)
    variance.refresh_from_db()
    assert variance.state == "accepted"
    browser.post(f"{root}/variance/{variance.pk}/answer/", {"state": "open", "note": "look again"})
    browser.post(f"{root}/variance/{variance.pk}/assign/", {"owner": "ada"})
    browser.post(f"{root}/job/{found.pk}/force/", {"rule": "left-wins"})
    variance.refresh_from_db()
    assert (variance.state, variance.note, variance.owner) == ("open", "look again", "ada")
    assert Repair.objects.get(variance=variance).state == "shown"
    assert queries.rules_in_force(found).keys() == {"left-wins"}
    wrong = browser.post(f"{root}/job/{found.pk}/edit/", {"source": "name: x"})
    assert wrong.status_code == 422
    assert "is missing" in wrong.content.decode()
