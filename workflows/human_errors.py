"""What the engine can refuse of what people are asked and answer.

RequestError
├── UnknownPerson         no active user of that name
├── UnknownRequest        nothing of that number was asked of people
├── RequestClosed         it has been decided, or its time is over
├── AlreadyAnswered       this person has answered in another way before
├── NotAsked              this person is not among those who are asked
├── DelegationRefused     the say cannot go to this person
├── ClaimRefused          somebody else has the task, or it is none
├── UnknownLink           nobody here made such a link
├── LinkRevoked           the link was for somebody who has handed the say over
└── AnswerInvalid         what the answer brings does not fit the form
"""

from collections.abc import Sequence
from datetime import datetime

from workflows.core.problems import Problem
from workflows.errors import WorkflowError


class RequestError(WorkflowError):
    """Anything that is refused of what people are asked and answer."""


class UnknownPerson(RequestError):
    """There is no active user of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no active user {name!r}")
        self.name = name


class UnknownRequest(RequestError):
    """Nothing of that number was asked of people."""

    def __init__(self, request_id: object) -> None:
        super().__init__(f"there is no request {request_id}")
        self.request_id = request_id


class RequestClosed(RequestError):
    """It has been decided, or its time is over."""

    def __init__(self, *, request_id: object, state: str, expires_at: datetime | None) -> None:
        told = f"is {state} already"
        if state == "open":
            told = f"could be answered until {expires_at:%Y-%m-%d %H:%M:%S} UTC"
        super().__init__(f"request {request_id} {told}: your answer was not counted")
        self.request_id = request_id
        self.state = state


class AlreadyAnswered(RequestError):
    """A person answers once."""

    def __init__(self, *, request_id: object, name: str, choice: str) -> None:
        super().__init__(f"{name} has answered request {request_id} before, with {choice}: an answer stays as it is")
        self.request_id = request_id
        self.name = name
        self.choice = choice


class NotAsked(RequestError):
    """This person is not among those who are asked; `why` says who is."""

    def __init__(self, *, request_id: object, name: str, why: str) -> None:
        super().__init__(f"{name} may not answer request {request_id}: {why}")
        self.request_id = request_id
        self.name = name


class DelegationRefused(RequestError):
    """The say cannot go to this person; `why` says what is in the way."""

    def __init__(self, *, request_id: object, giver: str, taker: str, why: str) -> None:
        super().__init__(f"{giver} cannot hand the say in request {request_id} to {taker}: {why}")
        self.request_id = request_id
        self.giver = giver
        self.taker = taker


class ClaimRefused(RequestError):
    """Somebody else has the task, or it is none; `why` says which."""

    def __init__(self, *, request_id: object, name: str, why: str) -> None:
        super().__init__(f"request {request_id} is not for {name} now: {why}")
        self.request_id = request_id
        self.name = name


class UnknownLink(RequestError):
    """Nobody here made such a link, or what it was for is gone."""

    def __init__(self) -> None:
        super().__init__("this link is not known here")


class LinkRevoked(RequestError):
    """The link was for somebody who has handed the say to somebody else."""

    def __init__(self, name: str) -> None:
        super().__init__(f"this link of {name} is not valid any more: the say was handed to somebody else")
        self.name = name


class AnswerInvalid(RequestError):
    """What the answer brings does not fit; `problems` says everything."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = tuple(problems)
