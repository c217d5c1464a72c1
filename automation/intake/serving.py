"""Puts an intake together: its stores by the settings, its sources by their rows; it serves nothing itself."""

from collections.abc import Callable, Sequence

from django.conf import settings
from django.db import connection

from automation.intake.app import Intake
from automation.intake.buffer import Buffer
from automation.intake.copies import Copied
from automation.intake.counting import Refusals
from automation.intake.database import DatabaseStore
from automation.intake.loading import Loader
from automation.intake.readiness import Readiness
from automation.intake.sources import Sources
from automation.intake.standby import Standby
from automation.intake.stores import BrokerStore, Store, is_amqp

_ALONE_S = 5.0
"""How long PostgreSQL may take when there is nobody else to ask."""


def make_intake(*, is_draining: Callable[[], bool]) -> Intake:
    """This will make the intake of this process: its threads begin now, and end with the lifespan of the server."""
    if not is_amqp(settings.BROKER_URL):
        return intake_of([DatabaseStore(patience_s=_ALONE_S)], is_draining=is_draining)
    stores = [DatabaseStore(patience_s=settings.INTAKE_DATABASE_S), _broker()]
    return intake_of(stores, is_draining=is_draining)


def intake_of(stores: Sequence[Store], *, is_draining: Callable[[], bool] = lambda: False) -> Intake:
    """This will make an intake with these stores, the first that takes a request counts."""
    refusals = Refusals()
    sources = Sources(Loader().load, every_s=settings.INTAKE_REFRESH_S, tick=refusals.write, at_end=_hang_up)
    buffer = Buffer(stores, most_bytes=settings.INTAKE_MOST_BYTES)

    def close() -> None:
        buffer.close()
        sources.close()

    return Intake(
        sources=sources,
        buffer=buffer,
        readiness=Readiness(stores),
        refusals=refusals,
        on_shutdown=close,
        is_draining=is_draining,
    )


def _broker() -> Store:
    broker = Standby(BrokerStore(settings.BROKER_URL))
    if settings.INTAKE_COPIES == 0:
        return broker
    home = DatabaseStore(patience_s=_ALONE_S)
    return Copied(broker, home=home, most=settings.INTAKE_COPIES, most_bytes=settings.INTAKE_COPIES_BYTES)


def _hang_up() -> None:
    """Asked in the thread whose connection it is: each has its own."""
    connection.close()
