"""A peer that speaks GitHub's REST API, as its documentation has it; it is none of GitHub's own code."""

import itertools
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug import Request, Response

from integrations.github import actions
from integrations.vendor import Action
from tests.support.peers.contract import Case
from tests.support.peers.vendor import BROKEN, GARBLED, SLOW_DOWN, Desk, VendorPeer, answer

TOKEN = "ghp_a0f_the_shop"
SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
REPO = "/repos/acme/shop"


class Hub(Desk):
    """One repository, `acme/shop`, with issues, comments, statuses and the runs of `deploy.yml`."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.runs: list[dict[str, Any]] = []
        self.statuses: dict[tuple[str, str], str] = {}
        self._numbers = itertools.count(1)
        super().__init__()

    def respond(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if SLOW_DOWN in token:
            reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 30)}
            return answer({"message": "API rate limit exceeded for user ID 1."}, status=403, headers=reset)
        if BROKEN in token:
            return answer({"message": "Server Error"}, status=500)
        if GARBLED in token:
            return Response("<html>unicorn</html>", content_type="text/html")
        if token != TOKEN:
            return answer({"message": "Bad credentials"}, status=401)
        if request.path == "/rate_limit":
            return answer({"resources": {"core": {"limit": 5000, "remaining": 4999}}})
        if not request.path.startswith(f"{REPO}/"):
            return answer({"message": "Not Found"}, status=404)
        return self._within(request, request.path.removeprefix(REPO))

    def _within(self, request: Request, path: str) -> Response:
        body = json.loads(request.data) if request.data else {}
        number = int(found[1]) if (found := re.match(r"/issues/(\d+)", path)) else 0
        if path == "/issues" and request.method == "POST":
            return self._opened(body)
        if path == "/issues":
            return answer(_page(self.issues[::-1] if request.args["direction"] == "desc" else self.issues, request))
        if path.endswith("/comments") and number:
            return self._commented(number, body) if body else answer(_page(self.comments.get(number, []), request))
        if number and number <= len(self.issues):
            return answer({**self.issues[number - 1], "comments": len(self.comments.get(number, []))})
        if path == "/actions/workflows/deploy.yml/dispatches":
            return self._dispatched(body)
        if path == "/actions/workflows/deploy.yml/runs":
            return answer({"total_count": len(self.runs), "workflow_runs": _page(self.runs[::-1], request)})
        if path == f"/statuses/{SHA}":
            self.statuses[SHA, body["context"]] = body["state"]
            return answer({"id": next(self._numbers), **body, "created_at": "2026-03-01T10:00:00Z"}, status=201)
        return answer({"message": "Not Found"}, status=404)

    def _opened(self, body: Mapping[str, Any]) -> Response:
        if "gone" in body.get("labels", ()):
            return answer({"message": "Validation Failed", "errors": []}, status=422)
        number = len(self.issues) + 1
        labels = [{"name": name} for name in body.get("labels", ())]
        about = {"id": 1000 + number, "number": number, "state": "open", "created_at": "2026-03-01T10:00:00Z"}
        self.issues.append({**about, "title": body["title"], "body": body["body"], "labels": labels})
        return answer(self.issues[-1], status=201)

    def _commented(self, number: int, body: Mapping[str, Any]) -> Response:
        if number > len(self.issues):
            return answer({"message": "Not Found"}, status=404)
        made = {"id": next(self._numbers), "body": body["body"], "created_at": "2026-03-01T10:00:00Z"}
        self.comments.setdefault(number, []).append(made)
        return answer(made, status=201)

    def _dispatched(self, body: Mapping[str, Any]) -> Response:
        if body["ref"] != "main":
            return answer({"message": f"No ref found for: {body['ref']}"}, status=422)
        number = 7000 + next(self._numbers)
        title = f"Deploy {body['inputs'].get('request', '')}"
        url = f"https://github.com/acme/shop/actions/runs/{number}"
        self.runs.append({"id": number, "display_title": title, "html_url": url})
        return answer({"workflow_run_id": number, "run_url": url, "html_url": url})


def _page(found: Sequence[Any], request: Request) -> Sequence[Any]:
    size, page = int(request.args["per_page"]), int(request.args["page"])
    return found[(page - 1) * size : page * size]


class _GitHubPeer(VendorPeer):
    token = TOKEN

    @property
    def hub(self) -> Hub:
        """This will be the session's GitHub."""
        return self.services.once("github", lambda _: Hub(), end=lambda hub: hub.stop())

    @property
    def port(self) -> int:
        return self.hub.port


class CreateIssue(_GitHubPeer):
    """`github.create_issue`."""

    id = "github.create_issue"
    adapter: Action = actions.create_issue
    changes = True
    cut_at = b"POST /repos/acme/shop/issues"

    def inputs(self) -> Mapping[str, object]:
        return {"repo": "acme/shop", "title": f"Order {self.unique()}", "body": "It is late.", "labels": ["order"]}

    def check(self, output: Any) -> None:
        assert output["title"].startswith("Order ")
        assert output["labels"] == ["order"]
        assert "automation: " in self.hub.issues[output["number"] - 1]["body"]

    def effects(self) -> int:
        return len(self.hub.issues)

    def wrong(self) -> Sequence[Case]:
        works, inputs = self.connection(), self.inputs()
        return (
            Case(inputs={**inputs, "repo": "acme/none"}, connection=works, says="404: Not Found"),
            Case(inputs={**inputs, "repo": "acme/.."}, connection=works, says=r"'\.' or '\.\.'"),
            Case(inputs={**inputs, "labels": ["gone"]}, connection=works, says="422: Validation Failed"),
            Case(inputs=inputs, connection=self.connection(secret_values={}), says="needs the secret token"),
        )


class Comment(_GitHubPeer):
    """`github.comment` on an issue that has some."""

    id = "github.comment"
    adapter: Action = actions.comment
    changes = True
    cut_at = b"POST /repos/acme/shop/issues/1/comments"

    def set_up(self) -> None:
        self.hub._opened({"title": "The first", "body": ""})

    def inputs(self) -> Mapping[str, object]:
        return {"repo": "acme/shop", "issue": 1, "body": f"Seen {self.unique()}"}

    def check(self, output: Any) -> None:
        assert output["id"] in [one["id"] for one in self.hub.comments[1]]

    def effects(self) -> int:
        return len(self.hub.comments.get(1, []))

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={**self.inputs(), "issue": 9999}, connection=self.connection(), says="404"),)


class DispatchWorkflow(_GitHubPeer):
    """`github.dispatch_workflow` whose run-name shows the key."""

    id = "github.dispatch_workflow"
    adapter: Action = actions.dispatch_workflow
    changes = True
    cut_at = b"POST /repos/acme/shop/actions"

    def inputs(self) -> Mapping[str, object]:
        return {"repo": "acme/shop", "workflow": "deploy.yml", "ref": "main", "key_input": "request"}

    def check(self, output: Any) -> None:
        assert output["run_id"] in [run["id"] for run in self.hub.runs]

    def effects(self) -> int:
        return len(self.hub.runs)

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={**self.inputs(), "ref": "none"}, connection=self.connection(), says="No ref found"),)


class SetStatus(_GitHubPeer):
    """`github.set_status` of a commit."""

    id = "github.set_status"
    adapter: Action = actions.set_status
    changes = True
    cut_at = b"POST /repos/acme/shop/statuses"

    def inputs(self) -> Mapping[str, object]:
        return {"repo": "acme/shop", "sha": SHA, "state": "success", "context": f"deploy/{self.unique()}"}

    def check(self, output: Any) -> None:
        assert self.hub.statuses[SHA, output["context"]] == output["state"] == "success"

    def effects(self) -> int:
        return len(self.hub.statuses)

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={**self.inputs(), "sha": "0" * 40}, connection=self.connection(), says="404"),)


class ListIssues(_GitHubPeer):
    """`github.list_issues`, the earliest first."""

    id = "github.list_issues"
    adapter: Action = actions.list_issues
    cut_at = b"GET /repos/acme/shop/issues"

    def set_up(self) -> None:
        self.hub._opened({"title": "Listed", "body": "", "labels": ["order"]})

    def inputs(self) -> Mapping[str, object]:
        return {"repo": "acme/shop", "labels": ["order"], "after": None}

    def check(self, output: Any) -> None:
        assert output["items"][0]["number"] == 1

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={"repo": "acme/none"}, connection=self.connection(), says="404"),)
