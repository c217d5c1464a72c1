"""The actions of GitHub.

GitHub knows no idempotency keys. What is written carries the step's key in a comment that nobody sees, so that it is
found again when an answer was lost; a dispatched workflow is found where its run-name shows the key.
"""

from collections.abc import Generator, Mapping
from typing import Any

from integrations import vendor
from integrations.contract import CallContext, CannotTell, DidNotHappen, Happened, LookUp
from integrations.github.connection import APP
from integrations.vendor import Action, Exchange, Inputs
from integrations.vendor_http import Ask, Reply, segment

_PAGE = 100
_MOST_PAGES = 5
_REPO: Mapping[str, object] = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$",
    "description": "owner/name",
}
_NUMBER: Mapping[str, object] = {"type": "integer", "minimum": 1}
_TEXT: Mapping[str, object] = {"type": "string", "minLength": 1, "maxLength": 65_000}
_NAMES: Mapping[str, object] = {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 100}


def _create_issue(inputs: Inputs, context: CallContext) -> Exchange:
    given = {name: inputs[name] for name in ("title", "labels", "assignees", "milestone") if name in inputs}
    text = _marked(inputs.get("body", ""), context)
    reply = yield Ask(method="POST", path=f"{_repo(inputs)}/issues", json={**given, "body": text})
    return _issue(reply.body)


def _find_issue(inputs: Inputs, context: CallContext) -> Generator[Ask, Reply, LookUp]:
    path = f"{_repo(inputs)}/issues"
    query = {"state": "all", "sort": "created", "direction": "desc"}
    found, is_all = yield from _with_mark(path, context, query=query)
    return _verdict(None if found is None else _issue(found), is_all=is_all, what="issues")


def _comment(inputs: Inputs, context: CallContext) -> Exchange:
    path = f"{_repo(inputs)}/issues/{inputs['issue']}/comments"
    reply = yield Ask(method="POST", path=path, json={"body": _marked(inputs["body"], context)})
    return _comment_of(reply.body)


def _find_comment(inputs: Inputs, context: CallContext) -> Generator[Ask, Reply, LookUp]:
    """Comments are listed the earliest first, so the last pages are asked."""
    path = f"{_repo(inputs)}/issues/{inputs['issue']}"
    issue = yield Ask(path=path)
    last = max(-(-int(issue.body["comments"]) // _PAGE), 1)
    found, is_all = yield from _with_mark(f"{path}/comments", context, query={}, pages=range(last + 1, 0, -1))
    return _verdict(None if found is None else _comment_of(found), is_all=is_all, what="comments")


def _dispatch(inputs: Inputs, context: CallContext) -> Exchange:
    given = dict(inputs.get("inputs", {}))
    if "key_input" in inputs:
        given[inputs["key_input"]] = context.idempotency_key
    body = {"ref": inputs["ref"], "inputs": given, "return_run_details": True}
    path = f"{_workflow(inputs)}/dispatches"
    reply = yield Ask(method="POST", path=path, json=body)
    said = reply.body or {}  # a server that is older than its clients answers with nothing
    return {"run_id": said.get("workflow_run_id"), "html_url": said.get("html_url")}


def _find_run(inputs: Inputs, context: CallContext) -> Generator[Ask, Reply, LookUp]:
    query = {"event": "workflow_dispatch", "per_page": _PAGE}
    for page in range(1, _MOST_PAGES + 1):
        reply = yield Ask(path=f"{_workflow(inputs)}/runs", query={**query, "page": page})
        runs = reply.body["workflow_runs"]
        for run in runs:
            if context.idempotency_key in run["display_title"]:
                return Happened({"run_id": run["id"], "html_url": run["html_url"]})
        if len(runs) < _PAGE:
            break
    return CannotTell("no run shows the key in its name: either there is none, or its workflow does not name it")


def _set_status(inputs: Inputs, _: CallContext) -> Exchange:
    given = {name: inputs[name] for name in ("state", "context", "description", "target_url") if name in inputs}
    reply = yield Ask(method="POST", path=f"{_repo(inputs)}/statuses/{inputs['sha']}", json=given)
    return {
        name: reply.body.get(name) for name in ("id", "state", "context", "description", "target_url", "created_at")
    }


def _list_issues(inputs: Inputs, _: CallContext) -> Exchange:
    page = int(inputs.get("after") or 1)
    query = {
        "state": inputs.get("state", "all"),
        "labels": ",".join(inputs.get("labels", [])) or None,
        "since": inputs.get("since"),
        "sort": "created",
        "direction": "asc",
        "per_page": _PAGE,
        "page": page,
    }
    reply = yield Ask(path=f"{_repo(inputs)}/issues", query=query)
    issues = [_issue(one) for one in reply.body if "pull_request" not in one]
    return {"items": issues, "next": str(page + 1) if len(reply.body) == _PAGE else None}


def _with_mark(
    path: str, context: CallContext, *, query: Mapping[str, object], pages: range = range(1, _MOST_PAGES + 1)
) -> Generator[Ask, Reply, tuple[Mapping[str, Any] | None, bool]]:
    """What carries the key, and whether everything was looked through: down to the first page, or up to the end."""
    mark = _mark(context)
    for page in pages[:_MOST_PAGES]:
        reply = yield Ask(path=path, query={**query, "per_page": _PAGE, "page": page})
        for one in reply.body:
            if mark in (one.get("body") or ""):
                return one, True
        if page == 1 if pages.step < 0 else len(reply.body) < _PAGE:
            return None, True
    return None, False


def _verdict(found: Mapping[str, Any] | None, *, is_all: bool, what: str) -> LookUp:
    if found is not None:
        return Happened(found)
    if is_all:
        return DidNotHappen(f"none of the {what} carries the key")
    return CannotTell(f"none of the latest {_PAGE * _MOST_PAGES} {what} carries the key, and there are more")


def _marked(text: str, context: CallContext) -> str:
    return f"{text}\n\n{_mark(context)}".lstrip("\n")


def _mark(context: CallContext) -> str:
    """Two hyphens would end the comment."""
    return f"<!-- automation: {context.idempotency_key.replace('--', '-')} -->"


def _repo(inputs: Inputs) -> str:
    owner, _, name = inputs["repo"].partition("/")
    return f"/repos/{segment(owner)}/{segment(name)}"


def _workflow(inputs: Inputs) -> str:
    return f"{_repo(inputs)}/actions/workflows/{segment(inputs['workflow'])}"


def _issue(found: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = ("id", "number", "title", "state", "html_url", "created_at", "updated_at", "closed_at")
    labels = [label["name"] if isinstance(label, Mapping) else label for label in found.get("labels", ())]
    return {**{name: found.get(name) for name in kept}, "labels": labels}


def _comment_of(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: found.get(name) for name in ("id", "html_url", "created_at")}


create_issue = Action(
    name="github.create_issue",
    app=APP,
    input_schema=vendor.schema(
        {
            "repo": _REPO,
            "title": {"type": "string", "minLength": 1, "maxLength": 256},
            "body": {"type": "string", "maxLength": 65_000},
            "labels": _NAMES,
            "assignees": _NAMES,
            "milestone": _NUMBER,
        },
        required=("repo", "title"),
    ),
    exchange=_create_issue,
    finding=_find_issue,
)
comment = Action(
    name="github.comment",
    app=APP,
    input_schema=vendor.schema({"repo": _REPO, "issue": _NUMBER, "body": _TEXT}, required=("repo", "issue", "body")),
    exchange=_comment,
    finding=_find_comment,
)
dispatch_workflow = Action(
    name="github.dispatch_workflow",
    app=APP,
    input_schema=vendor.schema(
        {
            "repo": _REPO,
            "workflow": {"type": "string", "pattern": r"^[\w.-]+$", "description": "Its file, such as deploy.yml."},
            "ref": {"type": "string", "minLength": 1},
            "inputs": {"type": "object", "maxProperties": 25, "additionalProperties": {"type": "string"}},
            "key_input": {
                "type": "string",
                "minLength": 1,
                "description": "The workflow's input that is given the step's key. Where its run-name shows that "
                "input, a dispatch whose answer was lost is found again.",
            },
        },
        required=("repo", "workflow", "ref"),
    ),
    exchange=_dispatch,
    finding=_find_run,
    finds=lambda inputs: "key_input" in inputs,
)
set_status = Action(
    name="github.set_status",
    app=APP,
    input_schema=vendor.schema(
        {
            "repo": _REPO,
            "sha": {"type": "string", "pattern": "^[0-9a-f]{40}$"},
            "state": {"enum": ["error", "failure", "pending", "success"]},
            "context": {"type": "string", "minLength": 1, "default": "default"},
            "description": {"type": "string", "maxLength": 140},
            "target_url": {"type": "string", "pattern": "^https?://"},
        },
        required=("repo", "sha", "state"),
    ),
    exchange=_set_status,
    repeats=lambda _: True,  # the latest of a context counts: the same again says the same
)
list_issues = Action(
    name="github.list_issues",
    app=APP,
    input_schema=vendor.schema(
        {
            "repo": _REPO,
            "state": {"enum": ["open", "closed", "all"], "default": "all"},
            "labels": _NAMES,
            "since": {"type": ["string", "null"], "format": "date-time", "description": "Changed since then."},
            "after": {"type": ["string", "null"], "description": "`next` of the page before."},
        },
        required=("repo",),
    ),
    exchange=_list_issues,
    reads=True,
)
ACTIONS = (create_issue, comment, dispatch_workflow, set_status, list_issues)
