"""What this app can refuse.

AutomationError
├── TokenInvalid       a token cannot be created like that
├── UnknownToken       no token of that name is in force
├── ScheduleInvalid    a schedule, calendar or backfill cannot be like that; every problem with its path
├── UnknownSchedule    there is no such schedule
├── ScheduleNotYours   what a definition or a periodic task says is changed there
├── UnknownCalendar    there is no such calendar
├── CalendarInUse      a schedule names it
├── UnknownBackfill    there is no such backfill
├── BackfillEnded      it has ended already
├── AlertRuleInvalid   a rule of alerts cannot be like that
├── UnknownAlertRule   there is no such rule
├── AlertRuleNotYours  a file says what the rule is
├── SourceInvalid      a source of webhooks cannot be like that; every problem with its path
├── UnknownSource      there is no such source
├── SourceInUse        a workflow names it
├── UnknownDelivery    there is no such request
├── EndpointInvalid    an endpoint of webhooks cannot be like that; every problem with its path
├── UnknownEndpoint    there is no such endpoint
├── UnknownMessage     there is no such message to an endpoint
└── MessageNotEnded    it is still being sent
"""

from collections.abc import Mapping, Sequence

from workflows.core.problems import Problem


class AutomationError(Exception):
    """Anything this app refuses on purpose."""


class TokenInvalid(AutomationError):
    """A token cannot be created like that; `field` says which part is wrong."""

    def __init__(self, *, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class UnknownToken(AutomationError):
    """No token of that name is in force."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no token named {name!r} is in force: it was never created, or it is revoked")
        self.name = name


class ScheduleInvalid(AutomationError):
    """A schedule, calendar or backfill cannot be like that; `problems` holds everything that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnknownSchedule(AutomationError):
    """There is no such schedule."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"there is no schedule {wanted!r}")
        self.wanted = wanted


class ScheduleNotYours(AutomationError):
    """What a schedule says is written somewhere else."""

    def __init__(self, *, name: str, source: str) -> None:
        place = "its workflow's definition" if source == "definition" else "its periodic task"
        super().__init__(f"the schedule {name!r} comes from {place}: change it there")
        self.name = name


class UnknownCalendar(AutomationError):
    """There is no such calendar."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no calendar {name!r}")
        self.name = name


class CalendarInUse(AutomationError):
    """A schedule names it."""

    def __init__(self, *, name: str, used_by: str) -> None:
        super().__init__(f"the calendar {name!r} is named by the schedule {used_by!r}: take it out there first")
        self.name = name


class UnknownBackfill(AutomationError):
    """There is no such backfill."""

    def __init__(self, backfill_id: int) -> None:
        super().__init__(f"there is no backfill {backfill_id}")
        self.backfill_id = backfill_id


class BackfillEnded(AutomationError):
    """It has ended already."""

    def __init__(self, *, backfill_id: int, state: str) -> None:
        super().__init__(f"backfill {backfill_id} is {state} already")
        self.backfill_id = backfill_id


class AlertRuleInvalid(AutomationError):
    """A rule of alerts cannot be like that; `problems` has everything that is wrong, by field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))
        self.problems = dict(problems)


class UnknownAlertRule(AutomationError):
    """There is no such rule."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no alert rule {name!r}: `automation alerts rules` lists them")
        self.name = name


class AlertRuleNotYours(AutomationError):
    """What a rule says is written in a file."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the rule {name!r} is written in the file ALERTS_FILE: change it there")
        self.name = name


class SourceInvalid(AutomationError):
    """A source of webhooks cannot be like that; `problems` holds everything that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnknownSource(AutomationError):
    """There is no such source."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no source of webhooks {name!r}: `automation webhooks sources` lists them")
        self.name = name


class SourceInUse(AutomationError):
    """A workflow names it."""

    def __init__(self, *, name: str, used_by: str) -> None:
        super().__init__(f"the source {name!r} starts runs of {used_by!r}: take it out of that definition first")
        self.name = name


class UnknownDelivery(AutomationError):
    """There is no such request."""

    def __init__(self, wanted: object) -> None:
        super().__init__(f"there is no webhook delivery {wanted}: it never came, or is not kept any more")
        self.wanted = wanted


class EndpointInvalid(AutomationError):
    """An endpoint of webhooks cannot be like that; `problems` holds everything that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnknownEndpoint(AutomationError):
    """There is no such endpoint."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no endpoint {name!r}: `automation endpoints list` lists them")
        self.name = name


class UnknownMessage(AutomationError):
    """There is no such message to an endpoint."""

    def __init__(self, wanted: object) -> None:
        super().__init__(f"there is no webhook message {wanted}: it was never written, or is not kept any more")
        self.wanted = wanted


class MessageNotEnded(AutomationError):
    """A message is still being sent."""

    def __init__(self, wanted: object) -> None:
        super().__init__(f"the webhook message {wanted} is still being sent: only those that have ended are sent again")
        self.wanted = wanted
