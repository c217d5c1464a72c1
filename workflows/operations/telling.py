"""Tells people what becomes of something they are asked, as its `notify` says: rows of the outbox, in the transaction
of what happened. A mail to somebody who may answer holds that person's one-time link.

Nothing here fails what is told of: who cannot be reached is named in the trail.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from audit import operations as audit
from integrations.notifications import addresses, channels, outbox
from integrations.notifications.contract import Message
from workflows import human_queries, human_rights
from workflows.core.telling import Notice, Occasion
from workflows.core.voting import RequestKind, RequestState
from workflows.human_models import HumanRequest
from workflows.human_rights import Person
from workflows.operations import link_rows
from workflows.operations.request_events import ENGINE, Happened, event_of

_SUBJECTS: Mapping[Occasion, str] = {
    Occasion.OPENED: "{kind} for you: {title}",
    Occasion.REMINDED: "Still waiting: {title}",
    Occasion.ESCALATED: "Escalated to you: {title}",
    Occasion.DELEGATED: "Handed to you: {title}",
    Occasion.OVERDUE: "Overdue: {title}",
    Occasion.EXPIRED: "Time is over: {title}",
    Occasion.DECIDED: "{state}: {title}",
}
_ASKS: Mapping[RequestKind, str] = {
    RequestKind.APPROVAL: "asks you to decide",
    RequestKind.TASK: "asks you to do something and to say when it is done",
}
_HOW = "Answer here, once, without signing in. The link is yours alone: whoever has it answers for you."


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What is told. `number` tells occasions of one kind apart, such as the second reminder from the first."""

    row: HumanRequest
    occasion: Occasion
    number: int
    now: datetime


def tell(
    row: HumanRequest,
    *,
    occasion: Occasion,
    now: datetime,
    number: int = 0,
    people: Collection[Person] | None = None,
) -> None:
    """This will write down what is to be sent, for a request that is locked; the same occasion again sends nothing.

    `people` are told where a line of `notify` names no recipient; None: those who may answer now.
    """
    notices = [one for one in human_queries.asking_of(row).notices if occasion in one.occasions]
    if not notices:
        return
    news = _News(row=row, occasion=occasion, number=number, now=now)
    if people is None:
        people = human_rights.open_people(row)
    mails = human_rights.mail_addresses(people)
    messages: list[Message] = []
    untold: list[str] = []
    for position, notice in enumerate(notices):
        for person, recipient in _recipients(notice, people=people, mails=mails):
            if channels.problem_with(channel=notice.channel, recipient=recipient) is not None:
                untold.append(recipient if person is None else person.name)
            else:
                messages.append(_message(news, notice=notice, position=position, person=person, recipient=recipient))
    count = outbox.notify(messages, now=now)
    told = {"occasion": occasion.value, "told": count, "untold": sorted(set(untold))}
    audit.record(event_of(row, happened=Happened.TOLD, actor=ENGINE, at=now, **told))


def _recipients(
    notice: Notice, *, people: Collection[Person], mails: Mapping[str, str]
) -> Iterator[tuple[Person | None, str]]:
    if notice.recipient is not None:
        yield None, notice.recipient
        return
    for person in people:
        yield person, mails.get(person.id, "")


def _message(news: _News, *, notice: Notice, position: int, person: Person | None, recipient: str) -> Message:
    row, occasion = news.row, news.occasion
    link = ""
    if person is not None and notice.gives_link(occasion):
        link = link_rows.mark_of(link_rows.link_for(row, person=person, now=news.now))
    wanted = {"kind": row.kind.capitalize(), "title": row.title, "state": row.state.capitalize()}
    return Message(
        channel=notice.channel,
        recipient=recipient,
        subject=_SUBJECTS[occasion].format(**wanted),
        text=_text(news, link=link),
        key=f"request:{row.id}:{occasion}:{news.number}:{position}:{'' if person is None else person.id}",
        data={
            "request": row.id,
            "kind": row.kind,
            "occasion": occasion.value,
            "state": row.state,
            "workflow": row.workflow_name,
            "step": row.step,
            "expires_at": None if row.expires_at is None else row.expires_at.isoformat(),
        },
        about=str(row.run_id),
        correlation_id=row.correlation_id,
    )


def _text(news: _News, *, link: str) -> str:
    """What people wrote stands for no address: marks in it are made harmless."""
    row = news.row
    about = [f"{row.workflow_name} {_ASKS[RequestKind(row.kind)]}: {row.title}", row.description]
    if row.state != RequestState.OPEN:
        about = [f"{row.title}: it is {row.state}."]
    else:
        known = (("Due", row.due_at), ("Until", row.expires_at))
        about += [f"{word} {at:%Y-%m-%d %H:%M} UTC." for word, at in known if at is not None]
    parts = [addresses.inert(part) for part in about if part]
    if link:
        parts.append(f"{_HOW}\n{link}")
    parts.append(f"In the inbox:\n[[page:/admin/workflows/humanrequest/{row.id}/change/]]")
    return "\n\n".join(parts)
