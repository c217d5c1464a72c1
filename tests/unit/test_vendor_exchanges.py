"""What look-ups of vendors' actions conclude from what they see: an exchange does no I/O, so it is simply answered."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from integrations.contract import CallContext, CannotTell, DidNotHappen, Happened, LookUp
from integrations.errors import Refused
from integrations.github import actions as github
from integrations.hubspot import actions as hubspot
from integrations.slack import actions as slack
from integrations.vendor import Action
from integrations.vendor_http import Ask, Reply

CONTEXT = CallContext(idempotency_key="7c9e--6679", timeout_s=5, attempt=2, run_id="r", step="s", correlation_id="c")
ISSUE = {"repo": "acme/shop", "title": "Late"}
COMMENT = {"repo": "acme/shop", "issue": 1, "body": "Late"}
MARKED = {"id": 1, "number": 1, "body": "It is late.\n\n<!-- automation: 7c9e-6679 -->"}
OTHER = {"id": 2, "number": 2, "body": None}
Peer = Callable[[Ask], Any]


def concluded(action: Action, inputs: Mapping[str, Any], *, peer: Peer) -> tuple[LookUp, list[Ask]]:
    """This will answer a look-up as the peer does, and give what it concluded and what it asked."""
    assert action.finding is not None
    looking, asked = action.finding(inputs, CONTEXT), []
    try:
        asked.append(next(looking))
        while True:
            body = peer(asked[-1])
            asked.append(looking.send(Reply(status=200, headers={}, body=body, text="")))
    except StopIteration as end:
        return end.value, asked


@pytest.mark.parametrize(("full_pages", "kind"), [(0, DidNotHappen), (4, DidNotHappen), (5, CannotTell)])
def test_issues_are_looked_through_until_they_end_or_are_too_many(full_pages: int, kind: type[LookUp]) -> None:
    def peer(ask: Ask) -> list[object]:
        return [OTHER] * (100 if int(str(ask.query["page"])) <= full_pages else 3)

    found, asked = concluded(github.create_issue, ISSUE, peer=peer)

    assert type(found) is kind
    assert len(asked) == min(full_pages + 1, 5)


def test_an_issue_is_found_by_the_key_in_its_text() -> None:
    found, _ = concluded(github.create_issue, ISSUE, peer=lambda _: [OTHER, MARKED])

    assert isinstance(found, Happened)
    assert found.output["number"] == 1  # type: ignore[index]  # an issue


@pytest.mark.parametrize(("comments", "pages", "kind"), [(0, [2, 1], DidNotHappen), (450, [6, 5, 4, 3, 2], CannotTell)])
def test_comments_are_looked_through_from_their_end(comments: int, pages: list[int], kind: type[LookUp]) -> None:
    def peer(ask: Ask) -> object:
        return [OTHER] if ask.path.endswith("/comments") else {"comments": comments}

    found, asked = concluded(github.comment, COMMENT, peer=peer)

    assert type(found) is kind
    assert [ask.query["page"] for ask in asked[1:]] == pages


def test_a_dispatch_that_no_run_shows_is_left_to_people() -> None:
    inputs = {"repo": "acme/shop", "workflow": "deploy.yml", "ref": "main", "key_input": "request"}
    run = {"id": 7, "display_title": "Deploy", "html_url": "https://github.com/acme/shop/actions/runs/7"}

    found, asked = concluded(github.dispatch_workflow, inputs, peer=lambda _: {"workflow_runs": [run]})

    assert isinstance(found, CannotTell)
    assert len(asked) == 1


def test_a_listing_that_hubspot_would_cut_off_is_refused() -> None:
    listing = hubspot.list_records.exchange({"object": "deals"}, CONTEXT)
    next(listing)

    with pytest.raises(Refused, match="there are 10001 records"):
        listing.send(Reply(status=200, headers={}, body={"total": 10_001, "results": []}, text=""))


def test_a_listing_asks_hubspot_for_milliseconds_and_for_the_page_that_follows() -> None:
    time = {"property": "createdate", "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00+01:00"}
    listing = hubspot.list_records.exchange({"object": "deals", "time": time, "after": "200"}, CONTEXT)

    ask = next(listing)

    filters = ask.json["filterGroups"][0]["filters"]
    assert [(one["operator"], one["value"]) for one in filters] == [("GTE", "1772323200000"), ("LT", "1772406000000")]
    assert ask.json["after"] == "200"
    assert ask.semantics == "GET"


def test_a_message_for_a_person_cannot_be_looked_up() -> None:
    assert slack.post_message.can_look_up(inputs={"channel": "C012AB3CD", "text": "x"})
    assert not slack.post_message.can_look_up(inputs={"channel": "U012AB3CD", "text": "x"})


def test_messages_without_an_end_are_left_to_people() -> None:
    body = {"ok": True, "messages": [{"ts": "1.1"}], "response_metadata": {"next_cursor": "more"}}

    found, asked = concluded(slack.post_message, {"channel": "C012AB3CD", "text": "x"}, peer=lambda _: body)

    assert isinstance(found, CannotTell)
    assert [ask.query["cursor"] for ask in asked] == [None, "more", "more", "more", "more"]
