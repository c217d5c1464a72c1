"""What is shown of runs that steps have started: why, over the API and in the admin."""

import pytest
from django.test import Client

from tests.flows import driving
from tests.integration.test_children import WAIT, child_of, sub, work_all
from tests.support import api
from workflows import explaining
from workflows.models import Run

pytestmark = pytest.mark.usefixtures("database")


def test_why_follows_down_to_what_is_waited_for_at_the_bottom() -> None:
    bottom = driving.publish(WAIT)
    middle = driving.publish({"child": sub(bottom)})
    run_id = driving.begin({"child": sub(middle)})
    work_all(run_id)
    middle_id = child_of(run_id)

    found = explaining.explain(Run.objects.get(id=run_id))

    (reason,) = found.reasons
    assert found.summary == f"child waits for the run {middle_id}"
    assert (reason.object_kind, reason.object_name) == ("run", str(middle_id))
    first, second = reason.ahead
    assert first == f"run {middle_id} of {middle}: child waits for the run {child_of(middle_id)}"
    assert second.startswith(f"run {child_of(middle_id)} of {bottom}: pause waits until ")


def test_api_and_admin_show_who_belongs_to_whom(admin_client: Client) -> None:
    name = driving.publish(WAIT)
    run_id = driving.begin({"child": sub(name, for_each=[1, 2])})
    work_all(run_id)
    client = api.client("admin")

    rows = client.get(f"/api/v1/runs/{run_id}/children").json()["results"]
    parent = client.get(f"/api/v1/runs/{child_of(run_id, index=1)}").json()["parent"]
    pages = [admin_client.get(f"/admin/workflows/run/{one}/change/") for one in (run_id, child_of(run_id, index=0))]

    assert [(row["index"], row["workflow"], row["state"], row["is_own"]) for row in rows] == [
        (0, name, "running", True),
        (1, name, "running", True),
    ]
    assert parent == {"run": str(run_id), "step": "child", "index": 1}
    for page in pages:
        text = page.content.decode()
        assert text.count("child[0]") >= 1
        assert str(run_id) in text
        assert str(child_of(run_id, index=1)) in text
