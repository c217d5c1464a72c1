"""What a gRPC status means for the next attempt; it never calls anything.

Source: the status codes of gRPC (grpc/doc/statuscodes.md). UNAVAILABLE after sending is not always safe to repeat, as
that page says, so it is unknown unless the method is declared free of side effects.
"""

from collections.abc import Sequence

import grpc

from integrations.errors import CallFailed, Denied, Refused, Throttled, Unavailable, Unknown

_REFUSED = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_TOO_LARGE = "larger than max"
_PUSHBACK = "grpc-retry-pushback-ms"


def failure(error: grpc.RpcError, *, is_safe: bool, repeatable: bool) -> CallFailed:
    """This will judge a call that did not end with OK; one that `is_safe` has no side effects."""
    code, details, trailing = _code(error), _details(error), _trailing(error)
    text = f"the server answered {code.name}: {details}" if details else f"the server answered {code.name}"
    evidence = {"status": code.name, "details": details}
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return Denied(text, evidence=evidence)
    if code in _REFUSED:
        return Refused(text, evidence=evidence)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in details:
        return Refused(
            f"the call happened, but its answer is too large: {details}", evidence={**evidence, "happened": True}
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Throttled(text, evidence=evidence, retry_after_s=_pushback_s(trailing))
    if code is grpc.StatusCode.ABORTED or is_safe:
        return Unavailable(text, evidence=evidence, retry_after_s=_pushback_s(trailing))
    return Unknown(text, evidence=evidence, repeatable=repeatable)


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    code = error.code()
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN


def _details(error: grpc.RpcError) -> str:
    return str(error.details() or "")[:500]


def _trailing(error: grpc.RpcError) -> Sequence[tuple[str, str | bytes]]:
    return tuple(error.trailing_metadata() or ())


def _pushback_s(trailing: Sequence[tuple[str, str | bytes]]) -> float | None:
    for name, value in trailing:
        if name == _PUSHBACK and str(value).isdecimal():
            return int(value) / 1000
    return None
