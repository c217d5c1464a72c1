"""A peer that speaks Slack's Web API, as its documentation has it; it is none of Slack's own code."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug import Request, Response

from integrations.slack import actions
from integrations.vendor import Action
from tests.support.peers.contract import Case
from tests.support.peers.vendor import BROKEN, GARBLED, SLOW_DOWN, Desk, VendorPeer, answer

TOKEN = "xoxb-01-the-shop"
CHANNEL = "C012AB3CD"


class Workspace(Desk):
    """One channel; its messages by the instant that is their name."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.changes = self.deletions = 0
        self._instants = itertools.count(1)
        super().__init__()

    def respond(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if SLOW_DOWN in token:
            return answer({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "30"})
        if BROKEN in token:
            return answer({"ok": False, "error": "internal_error"})
        if GARBLED in token:
            return Response("<html>loading</html>", content_type="text/html")
        if token != TOKEN:
            return answer({"ok": False, "error": "invalid_auth"})
        if request.path == "/api/auth.test":
            return answer({"ok": True, "team": "Acme", "user": "shop-bot", "bot_id": "B1"})
        body = json.loads(request.data) if request.data else dict(request.args)
        if body.get("channel") != CHANNEL:
            return answer({"ok": False, "error": "channel_not_found"})
        methods = {
            "/api/chat.postMessage": self._posted,
            "/api/chat.update": self._updated,
            "/api/chat.delete": self._deleted,
            "/api/conversations.history": self._history,
            "/api/conversations.replies": self._replies,
        }
        return methods[request.path](body)

    def post(self, text: str) -> str:
        """This will post as somebody else does."""
        ts = f"1772359200.{next(self._instants):06}"
        self.messages[ts] = {"type": "message", "text": text, "ts": ts}
        return ts

    def _posted(self, body: Mapping[str, Any]) -> Response:
        ts = self.post(body["text"])
        self.messages[ts] |= {"metadata": body["metadata"], "thread_ts": body.get("thread_ts")}
        return answer({"ok": True, "channel": CHANNEL, "ts": ts, "message": self.messages[ts]})

    def _updated(self, body: Mapping[str, Any]) -> Response:
        if body["ts"] not in self.messages:
            return answer({"ok": False, "error": "message_not_found"})
        self.changes += self.messages[body["ts"]]["text"] != body["text"]
        self.messages[body["ts"]]["text"] = body["text"]
        return answer({"ok": True, "channel": CHANNEL, "ts": body["ts"], "text": body["text"]})

    def _deleted(self, body: Mapping[str, Any]) -> Response:
        if self.messages.pop(body["ts"], None) is None:
            return answer({"ok": False, "error": "message_not_found"})
        self.deletions += 1
        return answer({"ok": True, "channel": CHANNEL, "ts": body["ts"]})

    def _history(self, body: Mapping[str, Any]) -> Response:
        """The latest first, ten on a page, whatever was asked for: Slack gives fewer where it wants to."""
        begin = int(body.get("cursor", 0))
        found = [one for one in self.messages.values() if not one.get("thread_ts")][::-1]
        following = str(begin + 10) if begin + 10 < len(found) else ""
        page = found[begin : begin + 10]
        return answer({"ok": True, "messages": page, "response_metadata": {"next_cursor": following}})

    def _replies(self, body: Mapping[str, Any]) -> Response:
        found = [one for one in self.messages.values() if body["ts"] in (one["ts"], one.get("thread_ts"))]
        return answer({"ok": True, "messages": found, "has_more": False})


class _SlackPeer(VendorPeer):
    token = TOKEN
    changes = True

    @property
    def workspace(self) -> Workspace:
        """This will be the session's Slack."""
        return self.services.once("slack", lambda _: Workspace(), end=lambda made: made.stop())

    @property
    def port(self) -> int:
        return self.workspace.port

    @property
    def path(self) -> str:
        return "/api"


class PostMessage(_SlackPeer):
    """`slack.post_message` into a channel."""

    id = "slack.post_message"
    adapter: Action = actions.post_message
    cut_at = b"POST /api/chat.postMessage"

    def inputs(self) -> Mapping[str, object]:
        return {"channel": CHANNEL, "text": f"Order {self.unique()} is late", "unfurl_links": False}

    def check(self, output: Any) -> None:
        assert output["channel"] == CHANNEL
        assert self.workspace.messages[output["ts"]]["text"].startswith("Order ")

    def effects(self) -> int:
        return sum("metadata" in one for one in self.workspace.messages.values())

    def wrong(self) -> Sequence[Case]:
        elsewhere = {**self.inputs(), "channel": "C0NOWHERE"}
        return (
            Case(inputs=elsewhere, connection=self.connection(), says="channel_not_found"),
            Case(inputs=self.inputs(), connection=self.connection(secret_values={}), says="needs the secret token"),
        )


class AnswerMessage(PostMessage):
    """`slack.post_message` into a thread."""

    id = "slack.post_message-thread"

    def inputs(self) -> Mapping[str, object]:
        return {**super().inputs(), "thread_ts": self.workspace.post("What about it?")}


class UpdateMessage(_SlackPeer):
    """`slack.update_message`."""

    id = "slack.update_message"
    adapter: Action = actions.update_message
    cut_at = b"POST /api/chat.update"

    def inputs(self) -> Mapping[str, object]:
        return {"channel": CHANNEL, "ts": self.workspace.post("It is late"), "text": "It is on its way"}

    def check(self, output: Any) -> None:
        assert self.workspace.messages[output["ts"]]["text"] == "It is on its way"

    def effects(self) -> int:
        return self.workspace.changes

    def wrong(self) -> Sequence[Case]:
        inputs = {**self.inputs(), "ts": "1.000001"}
        return (Case(inputs=inputs, connection=self.connection(), says="message_not_found"),)


class DeleteMessage(_SlackPeer):
    """`slack.delete_message`."""

    id = "slack.delete_message"
    adapter: Action = actions.delete_message
    cut_at = b"POST /api/chat.delete"

    def inputs(self) -> Mapping[str, object]:
        return {"channel": CHANNEL, "ts": self.workspace.post("Never mind")}

    def check(self, output: Any) -> None:
        assert output["ts"] not in self.workspace.messages

    def effects(self) -> int:
        return self.workspace.deletions

    def wrong(self) -> Sequence[Case]:
        elsewhere = {**self.inputs(), "channel": "C0NOWHERE"}
        return (Case(inputs=elsewhere, connection=self.connection(), says="channel_not_found"),)
