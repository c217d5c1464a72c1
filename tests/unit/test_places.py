"""Places: never more than the limit, and nobody waits for ever."""

import threading

import pytest

from tests.support.waiting import wait_until
from workflows.execution.places import Places, PlacesClosed


def test_places_are_free_again_for_who_waits() -> None:
    places = Places(limit=3)
    places.take(3, limit_s=0)
    waiting = threading.Thread(target=lambda: places.take(2, limit_s=60))
    waiting.start()
    wait_until(lambda: places.are_wanted, what="somebody waits")

    places.free(1)
    is_too_early = not waiting.is_alive()
    places.free(1)
    waiting.join(timeout=120)

    assert not is_too_early
    assert not waiting.is_alive()
    assert not places.are_wanted
    with pytest.raises(PlacesClosed):
        places.take(1, limit_s=0.01)
    places.free(3)
    assert places.is_idle


def test_places_send_away_who_waits_when_they_close() -> None:
    places = Places(limit=1)
    places.take(1, limit_s=0)
    failures: list[BaseException] = []

    def take() -> None:
        try:
            places.take(1, limit_s=60)
        except PlacesClosed as error:
            failures.append(error)

    waiting = threading.Thread(target=take)
    waiting.start()
    wait_until(lambda: places.are_wanted, what="somebody waits")
    places.close()
    waiting.join(timeout=120)

    assert len(failures) == 1
