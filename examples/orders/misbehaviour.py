"""Decides which request an outside system of the example spoils, by a seed alone; it never does I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b


class Fault(StrEnum):
    """What goes wrong with a request.

    UNAVAILABLE answers 503 and THROTTLED answers 429: nothing happened. DROPPED does the work and then closes
    the connection without an answer. SLOW does the work late.
    """

    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    DROPPED = "dropped"
    SLOW = "slow"

    @property
    def prevents_work(self) -> bool:
        """This will tell whether the request has no effect at all."""
        return self in (Fault.UNAVAILABLE, Fault.THROTTLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """How often each fault happens (`rates`, as shares of 1 that add up to 1 or less), and how it shows."""

    seed: int
    rates: Mapping[Fault, float]
    slow_s: float = 0.3
    retry_after_s: int = 1

    def fault_for(self, *, key: str, nth: int) -> Fault | None:
        """This will choose the fault of the `nth` request (from 1) with an idempotency key, or None.

        The same seed, key and number give the same answer in every process.
        """
        digest = blake2b(f"{self.seed}\0{key}\0{nth}".encode(), digest_size=8).digest()
        drawn = int.from_bytes(digest, "big") / 2**64
        threshold = 0.0
        for fault in Fault:
            threshold += self.rates.get(fault, 0.0)
            if drawn < threshold:
                return fault
        return None
