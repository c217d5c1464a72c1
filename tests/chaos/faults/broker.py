"""Faults inside RabbitMQ: queues that are deleted or emptied, and the memory alarm that stops every publisher."""

import contextlib
import os
from collections.abc import Callable
from random import Random
from typing import Any

from amqp.exceptions import AMQPError
from kombu import Connection

from config.broker import LANES
from tests.chaos.faults.fault import Fault, Mend, Strike, fault, nothing
from tests.chaos.stage import Stage

_ALARM_S = (1.0, 8.0)


def _each_lane(act: Callable[[Any, str], None]) -> Strike:  # Any: channels of py-amqp have no types
    def strike(_stage: Stage, _dice: Random) -> Mend:
        with contextlib.suppress(OSError, AMQPError), Connection(os.environ["BROKER_URL"]) as connection:
            for lane in LANES:
                with contextlib.suppress(*connection.channel_errors), connection.channel() as channel:
                    act(channel, lane)  # a queue that another fault has taken already is missing: none is also none
        return nothing

    return strike


def _alarm(stage: Stage, _dice: Random) -> Mend:
    stage.servers.rabbitmq.alarm()
    return stage.servers.rabbitmq.calm


FAULTS: tuple[Fault, ...] = (
    fault(
        "queues deleted",
        target="rabbitmq",
        lasts_s=(0.0, 0.1),
        strike=_each_lane(lambda channel, lane: channel.queue_delete(lane)),
    ),
    fault(
        "queues purged",
        target="rabbitmq",
        lasts_s=(0.0, 0.1),
        strike=_each_lane(lambda channel, lane: channel.queue_purge(lane)),
    ),
    fault("rabbitmq memory alarm", target="rabbitmq", lasts_s=_ALARM_S, strike=_alarm),
)
