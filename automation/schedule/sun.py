"""When the sun rises, sets and stands highest: the events of django-celery-beat's solar schedules.

Horizons and methods are those of `celery.schedules.solar`. Where an event does not happen every day (polar night) the
next day that has one counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ephem as _ephem

ephem: Any = _ephem  # Any: its types leave out what the C module gives
_DEPRESSED = {"astronomical": "-18", "nautical": "-12", "civil": "-6"}
_MOST_DAYS = 366
EVENTS: Mapping[str, tuple[str, str, bool]] = {
    **{f"dawn_{kind}": ("next_rising", horizon, True) for kind, horizon in _DEPRESSED.items()},
    **{f"dusk_{kind}": ("next_setting", horizon, True) for kind, horizon in _DEPRESSED.items()},
    "sunrise": ("next_rising", "-0:34", False),
    "sunset": ("next_setting", "-0:34", False),
    "solar_noon": ("next_transit", "0", False),
}
"""The method of the observer, the horizon, and whether the sun's centre counts."""


@dataclass(frozen=True, slots=True)
class Solar:
    """An event of the sun at a place."""

    event: str
    latitude: float
    longitude: float

    def next_after(self, after: datetime) -> datetime | None:
        """This will give the first such event after an instant, to the second; None when a year has none."""
        method, horizon, is_centre = EVENTS[self.event]
        observer = ephem.Observer()
        observer.lat, observer.lon = str(self.latitude), str(self.longitude)
        observer.elev, observer.horizon, observer.pressure = 0, horizon, 0
        sun = ephem.Sun()
        start = ephem.Date(after.astimezone(UTC).replace(tzinfo=None))
        more = {"use_center": True} if is_centre else {}
        for _ in range(_MOST_DAYS):
            try:
                found = getattr(observer, method)(sun, start=start, **more)
            except ephem.CircumpolarError:
                start = observer.next_antitransit(sun, start=start)
                continue
            instant = found.datetime().replace(microsecond=0, tzinfo=UTC)
            if instant > after:
                return instant  # type: ignore[no-any-return]  # ephem has no types
            start = ephem.Date(found + 60 * ephem.second)
        return None
