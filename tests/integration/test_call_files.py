"""The files among what calls gave: pictures that failed steps leave and others take, looked at from the ledger."""

import base64
import hashlib

import pytest
from django.test import Client, override_settings
from pytest_httpserver import HTTPServer

from integrations.calls import files
from integrations.models import CallFile
from tests.flows import driving
from tests.support import admin_pages
from tests.support.api import client
from tests.support.calling import call_of, charge, shop_at
from tests.support.peers import table
from tests.support.peers.contract import Services
from workflows.models import Attempt, Step

pytestmark = pytest.mark.usefixtures("database")


def picture(content: bytes, *, media_type: str = "image/png") -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    about = {"media_type": media_type, "size_bytes": len(content), "sha256": digest}
    return {**about, "content": base64.b64encode(content).decode()}


def test_picture_of_a_step_that_failed_is_looked_at_from_its_call(services: Services) -> None:
    site = table.find("browser.run", services=services)
    connection = shop_at(site.connection().base_url, kind="browser")
    inputs = {"steps": [{"goto": "/broken"}]}
    browse = {"uses": "browser.run", "connection": connection, "with": inputs, "retry": {"attempts": 1}}

    run = driving.finish({"charge": browse})

    call, reader = call_of(run.id), client("runs:read")
    assert call.evidence["at"] == "steps[0].goto"
    assert (call.evidence["screenshot"]["kept"], "content" in call.evidence["screenshot"]) == (True, False)
    (file,) = reader.get(f"/api/v1/calls/{call.key}").json()["files"]
    assert (file["name"], file["media_type"]) == ("screenshot", "image/jpeg")
    content = reader.get(f"/api/v1/calls/{call.key}/files/{file['sha256']}").content
    assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert content.startswith(b"\xff\xd8")
    attempt = Attempt.objects.get(run_id=run.id)
    assert attempt.evidence["screenshot"]["sha256"] == file["sha256"]


def test_screenshots_are_kept_by_the_ledger_however_large_and_the_output_refers_to_them(services: Services) -> None:
    site = table.find("browser.run", services=services)
    connection = shop_at(site.connection().base_url, kind="browser")
    inputs = {"steps": [{"goto": "/form"}, {"screenshot": {"name": "form"}}]}

    with override_settings(STEP_OUTPUT_MAX_BYTES=1_024):
        run = driving.finish({"charge": {"uses": "browser.run", "connection": connection, "with": inputs}})

    call = call_of(run.id)
    (shot,) = Step.objects.get(run_id=run.id).output["screenshots"]
    assert shot["size_bytes"] > 1_024
    assert (shot["call"], shot["kept"], "content" in shot) == (str(call.key), True, False)
    assert call.output["screenshots"] == [shot]
    content = client("runs:read").get(f"/api/v1/calls/{shot['call']}/files/{shot['sha256']}").content
    assert hashlib.sha256(content).hexdigest() == shot["sha256"]


def test_files_of_an_output_are_kept_once_and_shown_to_who_may_see_the_call(httpserver: HTTPServer) -> None:
    shot, page = picture(b"\x89PNG" + b"x" * 90_000), picture(b"<script>", media_type="text/html")
    body = {"shots": [{**shot, "name": "done"}, {**shot, "name": "again"}], "page": page}
    httpserver.expect_request("/charges").respond_with_json(body)

    run = driving.finish(charge(shop_at(httpserver.url_for(""))))

    call, digest = call_of(run.id), str(shot["sha256"])
    assert (run.state, call.has_output) == ("succeeded", False)
    kept = CallFile.objects.filter(key=call.key).order_by("id").values_list("name", "media_type", "size_bytes")
    assert list(kept) == [("done", "image/png", 90_004), ("page", "text/html", 8)]
    root = f"/admin/integrations/call/{call.key}"
    browser = admin_pages.browser(admin_pages.user(is_superuser=True))
    shown = browser.get(f"{root}/change/").content.decode()
    assert f'<img src="{root}/files/{digest}" alt="done"' in shown
    image, odd = browser.get(f"{root}/files/{digest}"), browser.get(f"{root}/files/{page['sha256']}")
    assert (image["Content-Type"], image["Content-Disposition"]) == ("image/png", "inline")
    assert (odd["Content-Type"], odd["Content-Disposition"][:10]) == ("application/octet-stream", "attachment")
    assert browser.get(f"{root}/files/{'0' * 64}").status_code == 404
    assert client("runs:read").get(f"/api/v1/calls/{call.key}/files/{'0' * 64}").status_code == 404
    assert admin_pages.browser(admin_pages.user()).get(f"{root}/files/{digest}").status_code == 403
    assert Client().get(f"{root}/files/{digest}").status_code == 302


def test_what_is_too_large_too_many_or_not_whole_is_named_and_not_kept() -> None:
    large, broken = picture(b"x" * (files.LARGEST_BYTES + 1)), {**picture(b"y"), "sha256": "0" * 64}
    many = [picture(f"{number}".encode()) for number in range(files.MOST + 1)]

    told, found = files.taken_out({"large": large, "broken": broken, "many": many, "plain": {"content": "z"}})

    assert isinstance(told, dict)
    assert (told["large"]["kept"], told["broken"]["kept"], told["plain"]) == (False, False, {"content": "z"})
    assert [one["kept"] for one in told["many"]] == [True] * files.MOST + [False]
    assert [one.content for one in found] == [f"{number}".encode() for number in range(files.MOST)]
