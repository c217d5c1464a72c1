"""localstripe, a stateful simulator of Stripe, as the peer of Stripe's actions.

A door in front of it does what localstripe does not: idempotency keys, one valid API key, the search of payments, and
filters by time, each as Stripe's documentation has them.
"""

import asyncio
import json
import re
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.request import Request, urlopen

from aiohttp import web

from integrations.contract import ConnectionSettings
from integrations.stripe import actions
from integrations.vendor import Action
from tests.support.peers.contract import Case, settings
from tests.support.peers.vendor import BROKEN, GARBLED, SLOW_DOWN, VendorPeer

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its handlers are no coroutines
    from localstripe import resources, server

KEY = "sk_test_a5k3y"
_SEARCH = re.compile(r"metadata\['(\w+)'\]:'([^']+)'")
_Handler = Callable[[web.Request], Any]


class Simulator:
    """localstripe in a thread. `index_is_late`: the search finds nothing yet, as in the minute after a payment.

    `hangs_up`: the connection of the next request that changes something breaks once it has been carried out.
    """

    def __init__(self) -> None:
        resources.store.dump_to_disk = lambda: None  # it would keep a pickle in /tmp
        resources.schedule_webhook = lambda event: None
        self.index_is_late = self.hangs_up = False
        self.port = 0
        self._answers: dict[str, tuple[bytes, int, bytes]] = {}
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stripe", daemon=True)
        self._thread.start()
        assert self._is_ready.wait(120)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(120)

    def count(self, kind: str, **values: object) -> int:
        """This will count what there is of a kind, such as `payment_intent`, that has these values."""
        found = [one for key, one in list(resources.store.items()) if key.startswith(f"{kind}:")]
        return sum(all(getattr(one, name) == value for name, value in values.items()) for one in found)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            server.app.middlewares.insert(0, self._door)
            for kind in (resources.PaymentIntent, resources.Charge, resources.BalanceTransaction, resources.Refund):
                kind._api_list_all = classmethod(_filtered(kind._api_list_all.__func__))
            runner = web.AppRunner(server.app, access_log=None)
            self._loop.run_until_complete(runner.setup())
            site = web.TCPSite(runner, "127.0.0.1", 0)
            self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._is_ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    @property
    def _door(self) -> Any:  # Any: a middleware
        @web.middleware
        async def door(request: web.Request, handler: _Handler) -> web.StreamResponse:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if SLOW_DOWN in token:
                return _error(429, "Too many requests", code="rate_limit", headers={"Retry-After": "2"})
            if BROKEN in token:
                return _error(500, "An unknown error occurred", kind="api_error")
            if GARBLED in token:
                return web.Response(text="<html>welcome</html>", content_type="text/html")
            if token != KEY:
                return _error(401, f"Invalid API Key provided: {token}")
            if request.path == "/v1/payment_intents/search":
                return self._found(request)
            key = request.headers.get("Idempotency-Key")
            answer: web.StreamResponse = await (self._once(key, request, handler) if key else handler(request))
            if key and self.hangs_up and request.transport is not None:
                self.hangs_up = False
                request.transport.abort()
            return answer

        return door

    async def _once(self, key: str, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Stripe gives the first answer again, whatever it was, and refuses other parameters under the same key."""
        asked = request.path.encode() + await request.read()
        if key not in self._answers:
            try:
                answer = await handler(request)
            except Exception:  # noqa: BLE001  localstripe's own middleware would have told it
                answer = _error(500, "localstripe failed", kind="api_error")
            self._answers[key] = (asked, answer.status, bytes(answer.body))
            return answer  # type: ignore[no-any-return]  # aiohttp's handlers have no type here
        before, status, body = self._answers[key]
        if before != asked:
            return _error(400, "Keys for idempotent requests can only be used with...", kind="idempotency_error")
        return web.Response(body=body, status=status, content_type="application/json")

    def _found(self, request: web.Request) -> web.Response:
        said = _SEARCH.fullmatch(request.query["query"])
        assert said, request.query
        name, value = said.groups()
        intents = [one for key, one in resources.store.items() if key.startswith("payment_intent:")]
        found = [] if self.index_is_late else [one._export() for one in intents if one.metadata.get(name) == value]
        return web.json_response({"object": "search_result", "data": found, "has_more": False})


def _filtered(listed: Callable[..., Any]) -> Callable[..., Any]:
    """localstripe knows `created` of charges alone, and of its comparisons only one."""

    def wanted(cls: Any, url: str, created: Any = None, **more: Any) -> Any:
        found = listed(cls, url, **more)
        bounds = {name: int(value) for name, value in (created or {}).items()}
        found._list = [
            one
            for one in found._list
            if one.created >= bounds.get("gte", 0) and one.created < bounds.get("lt", one.created + 1)
        ]
        return found

    return wanted


def _error(
    status: int, message: str, *, kind: str = "invalid_request_error", code: str = "", headers: Any = None
) -> web.Response:
    error = {"type": kind, "message": message, **({"code": code} if code else {})}
    return web.json_response({"error": error}, status=status, headers=headers)


class _StripePeer(VendorPeer):
    extra = "stripe"
    token = KEY
    secret_name = "api_key"

    @property
    def simulator(self) -> Simulator:
        """This will be the session's Stripe."""
        return self.services.once("stripe", lambda _: Simulator(), end=lambda made: made.stop())

    @property
    def port(self) -> int:
        return self.simulator.port

    def connection(self, *, environment: str = "test", **changes: Any) -> ConnectionSettings:  # Any: keywords
        return super().connection(environment=environment, **changes)

    def paid(self, amount: int = 1250, **more: object) -> Mapping[str, Any]:
        """This will be a payment that somebody else has made."""
        form = {"amount": amount, "currency": "eur", "payment_method": "pm_card_visa", "confirm": "true", **more}
        body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
        url = f"http://127.0.0.1:{self.port}/v1/payment_intents"
        request = Request(url, data=body, headers={"Authorization": f"Bearer {KEY}"})
        with urlopen(request) as answer:
            payment: Mapping[str, Any] = json.loads(answer.read())
        return payment


class CreatePayment(_StripePeer):
    """`stripe.create_payment`, paid at once."""

    id = "stripe.create_payment"
    adapter: Action = actions.create_payment
    changes = True
    cut_at = b"POST /v1/payment_intents"
    cut_answer = b"HTTP/1.1 200"

    def inputs(self) -> Mapping[str, object]:
        return self.payment(order=self.unique())

    def payment(self, *, method: str = "pm_card_visa", **metadata: str) -> Mapping[str, object]:
        """This will be the inputs of a payment that is confirmed at once."""
        return {
            "amount": 1250,
            "currency": "eur",
            "payment_method": method,
            "confirm": True,
            "metadata": metadata,
        }

    def check(self, output: Any) -> None:
        assert output["status"] == "succeeded"
        assert output["amount"] == 1250
        assert output["created_at"].endswith("Z")
        assert "client_secret" not in output

    def effects(self) -> int:
        return self.simulator.count("payment_intent", status="succeeded")

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        live = self.connection(environment="live")
        nobody = settings(works.base_url, {}, kind="stripe", environment="test")
        return (
            Case(inputs=self.payment(method="pm_card_chargeCustomerFail"), connection=works, says="card_declined"),
            Case(inputs=self.payment(method="pm_none"), connection=works, says="404"),
            Case(inputs=self.payment(), connection=live, says="environment live, and its api_key is not"),
            Case(inputs=self.payment(), connection=nobody, says="needs the secret api_key"),
        )


class CapturePayment(_StripePeer):
    """`stripe.capture_payment` of one that was only authorised."""

    id = "stripe.capture_payment"
    adapter: Action = actions.capture_payment
    changes = True
    cut_at = b"/capture"
    cut_answer = b"HTTP/1.1 200"

    def inputs(self) -> Mapping[str, object]:
        return {"payment": self.paid(capture_method="manual")["id"]}

    def check(self, output: Any) -> None:
        assert output["status"] == "succeeded"

    def effects(self) -> int:
        return self.simulator.count("payment_intent", capture_method="manual", status="succeeded")

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={"payment": "pi_none"}, connection=self.connection(), says="404"),)


class CancelPayment(_StripePeer):
    """`stripe.cancel_payment` of one that was only authorised."""

    id = "stripe.cancel_payment"
    adapter: Action = actions.cancel_payment
    changes = True
    cut_at = b"/cancel"
    cut_answer = b"HTTP/1.1 200"

    def inputs(self) -> Mapping[str, object]:
        return {"payment": self.paid(capture_method="manual")["id"]}

    def check(self, output: Any) -> None:
        assert output["status"] == "canceled"

    def effects(self) -> int:
        return self.simulator.count("payment_intent", status="canceled")

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={"payment": self.paid()["id"]}, connection=self.connection(), says="400"),)


class Refund(_StripePeer):
    """`stripe.refund` of a part of a payment."""

    id = "stripe.refund"
    adapter: Action = actions.refund
    changes = True
    cut_at = b"POST /v1/refunds"
    cut_answer = b"HTTP/1.1 200"

    def inputs(self) -> Mapping[str, object]:
        return {"payment": self.paid()["id"], "amount": 250}

    def check(self, output: Any) -> None:
        assert output["amount"] == 250
        assert output["status"] == "succeeded"

    def effects(self) -> int:
        return self.simulator.count("refund")

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={"payment": "pi_none"}, connection=self.connection(), says="404"),)


class GetPayment(_StripePeer):
    """`stripe.get_payment`."""

    id = "stripe.get_payment"
    adapter: Action = actions.get_payment
    cut_at = b"GET /v1/payment_intents/pi_"

    def inputs(self) -> Mapping[str, object]:
        return {"payment": self.paid()["id"]}

    def check(self, output: Any) -> None:
        assert output["amount"] == 1250
        assert "client_secret" not in output

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={"payment": "pi_none"}, connection=self.connection(), says="404"),)


class ListObjects(_StripePeer):
    """`stripe.list` of charges."""

    id = "stripe.list"
    adapter: Action = actions.list_objects
    cut_at = b"GET /v1/charges"

    def set_up(self) -> None:
        self.paid()

    def inputs(self) -> Mapping[str, object]:
        return {"object": "charges", "created_from": "2026-01-01T00:00:00Z", "created_to": None, "limit": 1}

    def check(self, output: Any) -> None:
        assert len(output["items"]) == 1
        assert output["items"][0]["object"] == "charge"

    def wrong(self) -> Sequence[Case]:
        inputs = {"object": "charges", "created_from": "yesterday"}
        return (Case(inputs=inputs, connection=self.connection(), says="created_from must be an instant"),)
