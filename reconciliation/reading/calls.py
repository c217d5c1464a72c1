"""Makes the calls that read one side, each at its place: where there is no room it is waited for, not begun anew."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from integrations import operations as integrations
from integrations.contract import CallContext
from integrations.errors import Postponed, Throttled, Unavailable
from reconciliation.pulse import Pulse

PATIENCE_S = 900.0
"""So long is a peer waited for that does not answer, or whose breaker is open, before all that was read is given up."""
_FIRST_S = 1.0
_LONGEST_S = 60.0
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """For whom calls are made, and over which connection; `run_id` is the run of the engine, or empty."""

    side: str
    connection: str | None
    timeout_s: float = 60.0
    run_id: str = ""
    correlation_id: str = ""
    pulse: Pulse = field(default_factory=Pulse)

    def call(self, *, uses: str, inputs: Mapping[str, object]) -> Any:  # Any: JSON
        """This will make one call and give its output.

        A turn under the rate of the connection is waited for as long as it takes. A failure that certainly changed
        nothing is waited out for PATIENCE_S, once something has been read; before that there is nothing to lose,
        and it is raised. Raises CallFailed, Postponed, ComparisonLost.
        """
        context = CallContext(
            idempotency_key=str(uuid.uuid4()),
            timeout_s=self.timeout_s,
            attempt=1,
            run_id=self.run_id,
            step=f"read {self.side}",
            correlation_id=self.correlation_id,
        )
        waited_s, backoff_s = 0.0, _FIRST_S
        while True:
            self.pulse.beat()
            try:
                output = integrations.call(uses=uses, inputs=inputs, connection=self.connection, context=context)
            except Postponed as pause:
                delay_s, is_patient = pause.delay_s, pause.reason == "rate"
                if not is_patient and not self._may_wait(waited_s + delay_s):
                    raise
            except (Unavailable, Throttled) as failure:
                delay_s, is_patient = failure.retry_after_s or backoff_s, False
                if not self._may_wait(waited_s + delay_s):
                    raise
                backoff_s = min(2 * backoff_s, _LONGEST_S)
                _log.info("listing_waits", side=self.side, uses=uses, delay_s=delay_s, error=failure.message)
            else:
                self.pulse.has_read = True
                return output
            waited_s += 0.0 if is_patient else delay_s
            self.pulse.wait(delay_s)

    def _may_wait(self, seconds: float) -> bool:
        return self.pulse.has_read and seconds <= PATIENCE_S
