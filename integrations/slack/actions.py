"""The actions of Slack. A message carries the step's key in its metadata, which people do not see.

Slack knows no idempotency keys: a message whose answer was lost is looked for in its channel or thread, which takes the
scope `channels:history` (or `groups:history`, `im:history`). Without it a person settles the call.
"""

from collections.abc import Generator, Mapping
from typing import Any

from integrations import vendor
from integrations.contract import CallContext, CannotTell, DidNotHappen, Happened, LookUp
from integrations.slack.connection import APP
from integrations.vendor import Action, Exchange, Inputs
from integrations.vendor_http import Ask, Reply

_EVENT = "automation_call"
_PAGE = 100
_MOST_PAGES = 5
_CHANNEL: Mapping[str, object] = {
    "type": "string",
    "pattern": "^[CDGU][A-Z0-9]+$",
    "description": "The id of a channel, or of a person; names change.",
}
_TS: Mapping[str, object] = {"type": "string", "pattern": r"^\d+\.\d+$", "description": "As Slack gave it."}
_TEXT: Mapping[str, object] = {"type": "string", "minLength": 1, "maxLength": 40_000}
_BLOCKS: Mapping[str, object] = {"type": "array", "items": {"type": "object"}, "maxItems": 50}


def _post(inputs: Inputs, context: CallContext) -> Exchange:
    mark = {"event_type": _EVENT, "event_payload": {"key": context.idempotency_key}}
    reply = yield Ask(method="POST", path="/chat.postMessage", json={**inputs, "metadata": mark})
    return {"channel": reply.body["channel"], "ts": reply.body["ts"]}


def _find_message(inputs: Inputs, context: CallContext) -> Generator[Ask, Reply, LookUp]:
    thread = inputs.get("thread_ts")
    path = "/conversations.replies" if thread else "/conversations.history"
    query = {"channel": inputs["channel"], "ts": thread, "limit": _PAGE, "include_all_metadata": "true"}
    cursor = None
    for _ in range(_MOST_PAGES):
        reply = yield Ask(path=path, query={**query, "cursor": cursor})
        for message in reply.body["messages"]:
            if _key_of(message) == context.idempotency_key:
                return Happened({"channel": inputs["channel"], "ts": message["ts"]})
        cursor = (reply.body.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return DidNotHappen("no message there carries the key")
    return CannotTell(f"none of the latest {_PAGE * _MOST_PAGES} messages carries the key, and there are more")


def _update(inputs: Inputs, _: CallContext) -> Exchange:
    reply = yield Ask(method="POST", path="/chat.update", json=dict(inputs))
    return {"channel": reply.body["channel"], "ts": reply.body["ts"]}


def _delete(inputs: Inputs, _: CallContext) -> Exchange:
    """One that is gone is what was wanted."""
    reply = yield Ask(method="POST", path="/chat.delete", json=dict(inputs), allowed=("message_not_found",))
    return {**inputs, "deleted": bool(reply.body["ok"])}


def _key_of(message: Mapping[str, Any]) -> object:
    metadata = message.get("metadata") or {}
    return metadata.get("event_payload", {}).get("key") if metadata.get("event_type") == _EVENT else None


post_message = Action(
    name="slack.post_message",
    app=APP,
    input_schema=vendor.schema(
        {
            "channel": _CHANNEL,
            "text": {**_TEXT, "description": "Shown where blocks are not: in notifications."},
            "blocks": _BLOCKS,
            "thread_ts": {**_TS, "description": "The message it answers."},
            "reply_broadcast": {"type": "boolean"},
            "unfurl_links": {"type": "boolean"},
            "unfurl_media": {"type": "boolean"},
        },
        required=("channel", "text"),
    ),
    exchange=_post,
    finding=_find_message,
    finds=lambda inputs: not str(inputs.get("channel", "")).startswith("U"),  # the id of their talk is not known
)
update_message = Action(
    name="slack.update_message",
    app=APP,
    input_schema=vendor.schema(
        {"channel": _CHANNEL, "ts": _TS, "text": _TEXT, "blocks": _BLOCKS}, required=("channel", "ts", "text")
    ),
    exchange=_update,
    repeats=lambda _: True,
)
delete_message = Action(
    name="slack.delete_message",
    app=APP,
    input_schema=vendor.schema({"channel": _CHANNEL, "ts": _TS}, required=("channel", "ts")),
    exchange=_delete,
    repeats=lambda _: True,
)
ACTIONS = (post_message, update_message, delete_message)
