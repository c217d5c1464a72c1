"""Carries out the strikes of a script, each in a thread of its own; every fault is mended, whatever happens."""

import concurrent.futures
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from tests.chaos import faults
from tests.chaos.recovery import Outage
from tests.chaos.script import Script, Strike
from tests.chaos.stage import Stage


class Attack:
    """The strikes under way; `outages` are those that have been mended."""

    def __init__(self, *, script: Script, stage: Stage, tell: Callable[[str], None]) -> None:
        self._script = script
        self._stage = stage
        self._tell = tell
        self._targets = {strike.target: threading.Lock() for strike in script.strikes}
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=max(len(script.strikes), 1))
        self._under_way: list[concurrent.futures.Future[None]] = []
        self._began = 0.0
        self.outages: list[Outage] = []

    def start(self) -> None:
        """This will begin now."""
        self._began = time.monotonic()
        self._under_way = [self._pool.submit(self._carry_out, strike) for strike in self._script.strikes]

    def join(self) -> None:
        """This will return when every fault is mended. Raises what kept one from being carried out or mended."""
        self._pool.shutdown(wait=True)
        for future in self._under_way:
            future.result()

    def _carry_out(self, strike: Strike) -> None:
        time.sleep(strike.at_s)
        with self._targets[strike.target]:  # the fault before may have taken longer to mend than was planned
            at = datetime.now(UTC)
            mend = faults.BY_NAME[strike.kind].strike(self._stage, Random(strike.dice))
            try:
                time.sleep(strike.until_s - strike.at_s)
            finally:
                mend()
            until = datetime.now(UTC)
        self.outages.append(Outage(name=strike.kind, at=at, until=until))
        self._tell(f"+{time.monotonic() - self._began:6.1f} s  {strike.kind}, {(until - at).total_seconds():.1f} s")
