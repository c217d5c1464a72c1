"""What each wait reason means in words, and what would end it; values only, one place for every surface."""

from collections.abc import Mapping
from dataclasses import dataclass

from workflows.core.states import WaitReason


@dataclass(frozen=True, slots=True)
class Words:
    """`says` completes "the step ..."; `ends_when` completes "it goes on when ..."; `{}` is the object's name."""

    says: str
    ends_when: str

    def about(self, name: str) -> "Words":
        """This will name the object.

        >>> Words("waits for {}", "{} is there").about("tea").ends_when
        'tea is there'
        """
        return Words(self.says.replace("{}", name), self.ends_when.replace("{}", name))


WORDS: Mapping[WaitReason, Words] = {
    WaitReason.WORKER: Words("waits for a worker of the lane {}", "a worker of the lane {} takes it"),
    WaitReason.RUNNING: Words("runs on {}", "its attempt ends; without a word from {} another worker takes it over"),
    WaitReason.RETRY: Words("waits for attempt {}", "the pause between attempts is over"),
    WaitReason.ITEMS: Words("waits for its items, {}", "the next attempt of an item is due"),
    WaitReason.REPEAT: Words("waits for {} of its repeat_until", "the pause between rounds is over"),
    WaitReason.DELAYED: Words("was told to start at {}", "that instant has come"),
    WaitReason.DELAYED_ENTRY: Words("was told to start at {}", "that instant has come and its rules let it in"),
    WaitReason.TIMER: Words("waits until {}", "that instant has come"),
    WaitReason.CHILD_RUN: Words("waits for the run {}", "the run {} ends"),
    WaitReason.CHILD_START: Words("waits to start a run of {}", "{} takes a start again"),
    WaitReason.EVENT: Words("waits for the event {}", "an event of that type and key is published"),
    WaitReason.APPROVAL: Words("waits for the approval of {}", "enough of {} have decided"),
    WaitReason.TASK: Words("waits for {} to do something", "one of {} says that it is done"),
    WaitReason.LIMIT: Words(
        "waits for a slot of the limit {}", "a slot of {} is free and nobody before it in line wants it"
    ),
    WaitReason.RATE: Words("is held back by the rate limit of the connection {}", "the rate of {} has room again"),
    WaitReason.BREAKER: Words(
        "is held back by the circuit breaker of the connection {}", "a probe of {} succeeds and the breaker closes"
    ),
    WaitReason.SETTLING: Words(
        "waits until no earlier attempt of its call {} can be under way",
        "the time of that attempt is over; then it is looked up whether it has happened, before anything is sent",
    ),
    WaitReason.PAUSED: Words("is paused: {}", "somebody resumes the {}"),
    WaitReason.CONCURRENCY: Words("waits for a slot of the key {}", "a run that holds a slot of {} ends"),
    WaitReason.THROTTLE: Words("waits for its turn in the throttle of {}", "its turn has come"),
    WaitReason.DEBOUNCE: Words("waits until no other start of {} comes", "no other start has come for the period"),
    WaitReason.BATCH: Words("waits for more starts of {}", "its batch is full or its time is over"),
}
"""The words of every reason: a reason without words is refused by a test."""
