"""How the demo feeds, kills and waits, with a clock and an engine that do as they are told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from examples.orders import campaign
from examples.orders.campaign import Counts, Stalled, Surroundings
from examples.orders.orders import Order, read_orders
from workflows.core.states import RunState


@dataclass
class ScriptedEngine:
    """Ends `pace` of the started runs each time it is asked."""

    pace: int
    started: list[str] = field(default_factory=list)
    ended: int = 0
    going_on: list[int] = field(default_factory=list)

    def start(self, orders: Sequence[Order]) -> None:
        self.started += [order.order_id for order in orders]
        self.going_on.append(len(self.started) - self.ended)

    def counts(self) -> Counts:
        self.ended = min(self.ended + self.pace, len(self.started))
        running = len(self.started) - self.ended
        return Counts(runs={RunState.SUCCEEDED: self.ended, RunState.RUNNING: running}, steps=self.ended * 3)


@dataclass
class World:
    """A clock that only a pause moves, and a list of what happened."""

    engine: ScriptedEngine
    now: float = 0.0
    killed_at: list[int] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)

    def around(self) -> Surroundings:
        return Surroundings(
            clock=lambda: self.now,
            pause=self.pause,
            kill_worker=lambda: self.killed_at.append(self.engine.ended),
            show=lambda counts, _elapsed_s: self.shown.append(counts.ended),
        )

    def pause(self, seconds: float) -> None:
        self.now += seconds


ORDERS = read_orders(limit=1_000)


def test_campaign_starts_every_order_once_and_ends_when_all_runs_have_ended() -> None:
    world = World(ScriptedEngine(pace=30))

    result = campaign.carry_out(orders=ORDERS, engine=world.engine, around=world.around())

    assert world.engine.started == [order.order_id for order in ORDERS]
    assert result.counts.ended == 1_000
    assert result.elapsed_s == world.now > 0
    assert result.steps_per_s == pytest.approx(3_000 / world.now)
    assert world.shown[-1] == 1_000


def test_campaign_never_has_more_runs_going_on_than_its_window_when_the_engine_is_slow() -> None:
    world = World(ScriptedEngine(pace=10))

    campaign.carry_out(orders=ORDERS, engine=world.engine, around=world.around())

    assert max(world.engine.going_on) == campaign.WINDOW


def test_campaign_kills_one_worker_once_when_two_fifths_have_ended() -> None:
    world = World(ScriptedEngine(pace=30))

    result = campaign.carry_out(orders=ORDERS, engine=world.engine, around=world.around())

    assert world.killed_at == [420]
    assert result.worker_killed_at == 420


def test_campaign_kills_nobody_when_everything_has_ended_already() -> None:
    world = World(ScriptedEngine(pace=10))

    result = campaign.carry_out(orders=ORDERS[:5], engine=world.engine, around=world.around())

    assert world.killed_at == []
    assert result.worker_killed_at is None


def test_campaign_gives_up_with_its_figures_when_no_run_ends_for_too_long() -> None:
    world = World(ScriptedEngine(pace=0))

    with pytest.raises(Stalled, match="0 of 1,000 runs") as stalled:
        campaign.carry_out(orders=ORDERS, engine=world.engine, around=world.around())

    assert (stalled.value.ended, stalled.value.total) == (0, 1_000)
    assert world.now == pytest.approx(campaign.STALL_LIMIT_S, abs=1)
