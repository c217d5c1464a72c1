"""The adapter `browser.run`: declared steps in a browser of its own, for systems that have no other door.

    with:
      steps:
        - goto: /login
        - fill: {selector: "#user", value: "robot"}
        - fill: {selector: "#password", secret: password}
        - click: {selector: "button[type=submit]"}
        - wait: {selector: "#orders"}
        - extract: {name: total, selector: "#total"}
        - screenshot: {name: orders}

Its output is `{url, extracted, screenshots: [{name, media_type, size_bytes, sha256, content}]}`; of a
call of a step the ledger keeps the pictures, and the output has `call` and `kept` instead of the content. A step that
fails says which, and shows the page as evidence. Everything the browser asks for passes the guard of the connection.
"""

from collections.abc import Mapping
from types import ModuleType

from integrations import endpoints, extras
from integrations.adapters import secrecy
from integrations.adapters.secrecy import masked, masked_output
from integrations.contract import CallContext, ConnectionSettings, Health

name = "browser.run"
kind = "browser"
speaks_http = True
keeps_files_apart = True
secret_names = ("username", "password", "token")

connection_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "The base URL is that of the pages.",
    "properties": {
        "width": {"type": "integer", "minimum": 320, "maximum": 3_840, "default": 1_280},
        "height": {"type": "integer", "minimum": 240, "maximum": 2_160, "default": 800},
        "language": {"type": "string", "pattern": "^[A-Za-z-]{2,20}$", "default": "en-US"},
        "max_screenshot_bytes": {
            "type": "integer",
            "minimum": 10_000,
            "maximum": 2_000_000,
            "default": 300_000,
            "description": "A larger picture is taken again in a lower quality, and left out if that is too large too.",
        },
    },
    "additionalProperties": False,
}

_SELECTOR: Mapping[str, object] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1_000,
    "description": "CSS, or as Playwright has it: text=..., role=button[name=...].",
}
_NAME: Mapping[str, object] = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,50}$"}


def _one(verb: str, properties: Mapping[str, object], *required: str, **more: object) -> Mapping[str, object]:
    inner = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }
    return {"properties": {verb: inner}, "required": [verb], "additionalProperties": False}


_STEP: Mapping[str, object] = {
    "type": "object",
    "oneOf": [
        {
            "properties": {
                "goto": {"type": "string", "pattern": "^/(?!/)", "description": "A path below the base URL."}
            },
            "required": ["goto"],
            "additionalProperties": False,
        },
        _one(
            "fill",
            {"selector": _SELECTOR, "value": {"type": "string"}, "secret": {"enum": list(secret_names)}},
            "selector",
            oneOf=[{"required": ["value"]}, {"required": ["secret"]}],
        ),
        _one("click", {"selector": _SELECTOR}, "selector"),
        _one("select", {"selector": _SELECTOR, "value": {"type": "string"}}, "selector", "value"),
        _one("press", {"selector": _SELECTOR, "key": {"type": "string", "minLength": 1}}, "selector", "key"),
        _one(
            "wait",
            {"selector": _SELECTOR, "state": {"enum": ["visible", "hidden"], "default": "visible"}},
            "selector",
        ),
        _one(
            "extract",
            {
                "name": _NAME,
                "selector": _SELECTOR,
                "attribute": {"type": "string", "description": "Instead of the text."},
                "all": {"type": "boolean", "default": False, "description": "A list of all that fit."},
            },
            "name",
            "selector",
        ),
        _one("screenshot", {"name": _NAME, "full_page": {"type": "boolean", "default": False}}, "name"),
    ],
}
CHANGING = frozenset({"click", "press", "select"})
"""The verbs behind which something may have changed."""
input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "steps": {
            "type": "array",
            "items": _STEP,
            "minItems": 1,
            "maxItems": 100,
            "contains": {"required": ["screenshot"]},
            "minContains": 0,
            "maxContains": 20,
            "description": "At most 20 of them are screenshots.",
        },
        "step_timeout_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 300, "default": 15},
        "idempotency": {
            "enum": ["steps", "none"],
            "default": "none",
            "description": "steps: they may be taken again as they are. none: they are not, once one of them may have "
            "changed something (click, press, select).",
        },
    },
    "required": ["steps"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will take the steps in a new browser without memory, and close it.

    Raises Refused for a selector that fits nothing before anything was changed, Unavailable when a page does not
    come, Unknown when a step failed after one that may have changed something.
    """
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        output = _driving().run(
            inputs=inputs,
            connection=settings,
            timeout_s=context.timeout_s,
            repeatable=is_repeatable(inputs=inputs),
        )
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether the steps may be taken again when their outcome is unknown."""
    return inputs.get("idempotency", "none") == "steps"


def is_safe(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether the steps only look and fill in: no click, key or choice that may change something."""
    steps = inputs.get("steps")
    return isinstance(steps, list) and not any(CHANGING & set(step) for step in steps if isinstance(step, Mapping))


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:
    """This will open the base URL in a browser."""
    return secrecy.health(connection, find_out=lambda: str(_driving().described(connection, timeout_s=timeout_s)))


def _driving() -> ModuleType:
    return extras.load("integrations.adapters.browser.driving", extra="browser")
