"""What most presets have in common: no challenge, any secret, options with a tolerance; it verifies nothing."""

from collections.abc import Mapping
from typing import Any

from automation.verification.contract import TOLERANCE_S, Options, Request, Told
from automation.verification.reading import PLACE, body_of, value_at

TOLERANCE = {"type": "number", "minimum": 1, "maximum": 86_400, "description": "Seconds; 300 unless said otherwise."}
CLOUDEVENTS = {
    "type": "boolean",
    "description": "It sends CloudEvents 1.0 in any mode: they say id, type and subject themselves.",
}
EVENT_PLACES: Mapping[str, Any] = {
    "id": {**PLACE, "description": "Where the id of the delivery stands. Without it the signed bytes are the id."},
    "event": {**PLACE, "description": "Where the type of the event stands."},
    "type": {"type": "string", "minLength": 1, "maxLength": 200, "description": "The type of every event."},
    "subject": {**PLACE, "description": "Where it says whom the event is about."},
    "each": {"type": "boolean", "description": "Takes every request on its own, also one that is the same again."},
    "cloudevents": CLOUDEVENTS,
}


class Plain:
    """A preset without a challenge, whose secret may be any text, and whose options say where things stand."""

    accepts = 202

    def challenge(self, request: Request) -> bytes | None:
        """This will give None: every request is an event."""
        return None

    def secret_problem(self, secret: str) -> str | None:
        """This will refuse an empty secret only."""
        return None if secret else "is empty"

    def tell(self, request: Request, *, options: Options) -> Told:
        """This will read id, type and subject where the options say they stand. Raises Untold."""
        body = body_of(request)
        return Told(
            id=value_at(request, body, place=options["id"]) if "id" in options else "",
            type=_type(request, body, options=options),
            data=body,
            subject=value_at(request, body, place=options["subject"]) if "subject" in options else "",
        )


def tolerance_s(options: Options) -> float:
    """This will give how far the clock of a signature may be from ours, in seconds."""
    return float(options.get("tolerance_s", TOLERANCE_S))


def schema_of(**properties: object) -> Mapping[str, Any]:
    """This will give the schema of options that are all optional."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _type(request: Request, body: object, *, options: Options) -> str:
    found = value_at(request, body, place=options["event"]) if "event" in options else ""
    return found or str(options.get("type", "webhook"))
