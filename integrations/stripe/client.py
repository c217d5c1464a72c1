"""Stripe's own library, with our HTTP client as its transport; loaded at the first call.

The library knows the API's versions, how parameters are written and what errors there are. It sends nothing itself: no
socket without our guard, no repetition that the engine does not know of, and nothing about this machine.
"""

import logging
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any

import stripe

from integrations import http, http_async, http_semantics
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import CallFailed, Refused, Unknown
from integrations.http_exchange import Limits, Outgoing, Response
from integrations.stripe.question import Question

_FORBIDDEN = 403
_SENT = frozenset({"authorization", "content-type", "idempotency-key", "stripe-account", "stripe-version"})
_EXCERPT_BYTES = 2_000

stripe.enable_telemetry = False  # it would read an id of this machine, and send how long requests took
logging.getLogger("stripe").setLevel(logging.WARNING)  # the engine logs each call, and the library its parameters


class GuardedClient(stripe.HTTPClient):
    """The transport of one call: what the library would send goes through the guard of the connection."""

    name = "automation-engine"

    def __init__(self, connection: ConnectionSettings, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: object
    ) -> tuple[str, int, Mapping[str, str]]:
        """This will send one request for the library. Raises CallFailed."""
        return _read(http.send(self._outgoing(method, url, headers or {}, post_data)))

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None, **_: object
    ) -> tuple[Any, int, Mapping[str, str]]:
        """This will do the same on an event loop."""
        return _read(await http_async.send(self._outgoing(method, url, headers, post_data)))

    def close(self) -> None:
        """This will do nothing: the pools are the process's."""

    async def close_async(self) -> None:
        """This will do nothing: the pools are the event loop's."""

    def _outgoing(self, method: str, url: str, headers: Mapping[str, str], post_data: Any) -> Outgoing:
        content = post_data.encode() if isinstance(post_data, str) else post_data
        return Outgoing(
            method=method.upper(),
            url=url,
            headers={name.lower(): value for name, value in headers.items() if name.lower() in _SENT},
            content=content or None,
            limits=Limits.of(self._connection, timeout_s=self._deadline.left_s),
        )


class LibrarySpeaker:
    """Keeps `integrations.vendor.Speaker`; a client for each call costs less than a millisecond."""

    def __init__(self, connection: ConnectionSettings, deadline: Deadline, api_key: str) -> None:
        base_url = connection.base_url.rstrip("/")
        version = connection.options.get("api_version")
        account = connection.options.get("account")
        self._client = stripe.StripeClient(
            api_key,
            http_client=GuardedClient(connection, deadline),
            base_addresses={"api": base_url, "connect": base_url, "files": base_url, "meter_events": base_url},
            max_network_retries=0,
            stripe_version=None if version is None else str(version),
            stripe_account=None if account is None else str(account),
        )

    def ask(self, question: Question) -> Any:  # Any: JSON
        """This will call a method of the library. Raises CallFailed."""
        try:
            return _data(self._method(question, question.verb)(*_arguments(question)))
        except (stripe.StripeError, Unknown) as error:
            return _no_success(question, error)

    async def aask(self, question: Question) -> Any:  # Any: JSON
        """This will do the same on an event loop."""
        try:
            answering: Awaitable[Any] = self._method(question, f"{question.verb}_async")(*_arguments(question))
            return _data(await answering)
        except (stripe.StripeError, Unknown) as error:
            return _no_success(question, error)

    def _method(self, question: Question, verb: str) -> Any:  # Any: one of hundreds of methods
        return getattr(getattr(self._client.v1, question.service), verb)


def _arguments(question: Question) -> tuple[Any, ...]:
    options = {"idempotency_key": question.key} if question.key else {}
    about = (question.of,) if question.of else ()
    return (*about, dict(question.params), options)


def _data(found: Any) -> Any:  # Any: an object of the library, and its JSON
    return found.last_response.data


def _read(response: Response) -> tuple[str, int, Mapping[str, str]]:
    return response.body.decode(errors="replace"), response.status, response.headers


def _no_success(question: Question, error: stripe.StripeError | Unknown) -> None:
    method = "POST" if question.key else "GET"
    if isinstance(error, Unknown):
        evidence = error.evidence
        raise http_semantics.unknown_or_unavailable(
            error.message, method=method, evidence=evidence, repeatable=True
        ) from error
    if question.may_be_forbidden and error.http_status == _FORBIDDEN:
        return
    raise _failure(error, method=method, has_key=bool(question.key)) from error


def _failure(error: stripe.StripeError, *, method: str, has_key: bool) -> CallFailed:
    status = error.http_status
    if status is None:
        return Refused(f"Stripe's library cannot ask that: {error}")
    body = error.http_body if isinstance(error.http_body, str) else ""
    text = f"Stripe answered with {status}"
    if 200 <= status < 300:
        return http_semantics.unknown_or_unavailable(
            f"{text} and no JSON", method=method, evidence={"status": status}, repeatable=True
        )
    answer = http_semantics.Answer(
        method=method, status=status, headers=error.headers or {}, excerpt=body[:_EXCERPT_BYTES], sent_key=has_key
    )
    failure = http_semantics.failure_for(answer, now=datetime.now(UTC))
    code = f" {error.code}" if error.code else ""
    failure.message = f"{text}{code}: {error.user_message or body[:300]}"[:500]
    failure.args = (failure.message,)
    failure.evidence = {**failure.evidence, "code": error.code, "request_id": error.request_id}
    return failure
