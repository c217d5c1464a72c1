"""The look-up of `http.request`: a second request that only asks, and an expression that reads the answer.

look_up:
  path: /charges
  query: {key: "{idempotency_key}"}
  found: "response.body.data.size() > 0"
  body: "response.body.data[0]"
"""

from collections.abc import Mapping
from typing import cast

from integrations.contract import LOOK_UP, CallContext, CannotTell, DidNotHappen, Happened, LookUp
from integrations.errors import Refused

SCHEMA: Mapping[str, object] = {
    "type": "object",
    "description": "How it is found out whether the request has happened, before it is sent again: a request that "
    "changes nothing. {idempotency_key} in its texts stands for the key.",
    "properties": {
        "method": {"enum": ["GET", "HEAD"], "default": "GET"},
        "path": {"type": "string", "description": "Added to the base URL of the connection."},
        "url": {"type": "string", "pattern": "^https?://", "description": "Absolute; instead of a path."},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "query": {"type": "object", "additionalProperties": {"$ref": "#/$defs/one"}},
        "found": {
            "type": "string",
            "x-cel": ["response"],
            "description": "CEL over response.status, response.headers and response.body: true when it has happened. "
            "Without it, a status of 200 to 299 says so. 404 and 410 say that it has not, unless this says otherwise.",
        },
        "body": {
            "type": "string",
            "x-cel": ["response"],
            "description": "CEL over the same: the body that the request would have been answered with. "
            "Without it, the body of the answer.",
        },
    },
    "oneOf": [{"required": ["path"]}, {"required": ["url"]}],
    "additionalProperties": False,
}
_KEY = "{idempotency_key}"
_MISSING = (404, 410)
_ANSWERS = [*range(200, 300), *_MISSING]


def is_given(inputs: Mapping[str, object]) -> bool:
    """This will tell whether a step says how its request is looked up."""
    return isinstance(inputs.get(LOOK_UP), Mapping)


def question(inputs: Mapping[str, object], *, key: str) -> Mapping[str, object]:
    """This will give the request that asks, as `http.request` takes it."""
    given = cast("Mapping[str, object]", inputs[LOOK_UP])
    request = {name: _with_key(value, key=key) for name, value in given.items() if name not in ("found", "body")}
    return {**request, "expect_status": _ANSWERS}


def verdict(inputs: Mapping[str, object], *, response: object, context: CallContext) -> LookUp:
    """This will read the answer to the question. Raises Refused when an expression has no result for it."""
    given = cast("Mapping[str, object]", inputs[LOOK_UP])
    answer = cast("Mapping[str, object]", response)
    found, body = given.get("found"), given.get("body")
    if found is None:
        has_happened: object = answer["status"] not in _MISSING
    else:
        has_happened = _evaluate(str(found), answer=answer, context=context)
    if has_happened is False:
        return DidNotHappen(f"the look-up was answered with status {answer['status']}")
    if has_happened is not True:
        return CannotTell(
            f"`found` must give true or false for the answer to the look-up, it gave {has_happened!r:.80}"
        )
    content = answer["body"] if body is None else _evaluate(str(body), answer=answer, context=context)
    return Happened({**answer, "body": content})


def _evaluate(source: str, *, answer: Mapping[str, object], context: CallContext) -> object:
    if context.evaluate is None:
        raise Refused("expressions over the answer to a look-up can only be evaluated for a step of a run")
    return context.evaluate(source, {"response": answer})


def _with_key(value: object, *, key: str) -> object:
    if isinstance(value, str):
        return value.replace(_KEY, key)
    if isinstance(value, Mapping):
        return {name: _with_key(item, key=key) for name, item in value.items()}
    return value
