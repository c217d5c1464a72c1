"""What vendors and their own libraries sign is believed, and published examples are."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
import stripe
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from slack_sdk.signature import SignatureVerifier
from standardwebhooks.webhooks import Webhook

from automation.verification.contract import Reason, Request, Untold, Unverified
from automation.verification.presets import PRESETS

NOW = 1_731_705_121.0


def _request(body: bytes, **headers: str) -> Request:
    return Request(body=body, headers={name.replace("_", "-").lower(): value for name, value in headers.items()})


def _refusal(preset: str, request: Request, *, secrets: list[str], options: Mapping[str, object]) -> Reason:
    with pytest.raises(Unverified) as raised:
        PRESETS[preset].verify(request, secrets=secrets, options=options, now=NOW)
    return raised.value.reason


def test_the_published_example_of_standard_webhooks_is_believed() -> None:
    request = _request(
        b'{"event_type":"ping","data":{"success":true}}',
        webhook_id="msg_loFOjxBNrRLzqYUf",
        webhook_timestamp="1731705121",
        webhook_signature="v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    )

    verified = PRESETS["standard"].verify(request, secrets=["whsec_plJ3nmyCDGBKInavdOK15jsl"], options={}, now=NOW)

    assert (verified.key, verified.signed_at) == (0, NOW)


def test_what_the_library_of_standard_webhooks_signs_is_believed_after_a_rotation() -> None:
    from_old, new = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
    body = '{"type": "order.created", "timestamp": "2026-01-01T00:00:00Z", "data": {"id": 7}}'
    at = datetime.fromtimestamp(NOW, UTC)
    signature = Webhook(from_old).sign("msg_1", at, body)
    request = _request(
        body.encode(), webhook_id="msg_1", webhook_timestamp=str(int(NOW)), webhook_signature=f"v1,bm8= {signature}"
    )

    assert PRESETS["standard"].verify(request, secrets=[new, from_old], options={}, now=NOW).key == 1
    told = PRESETS["standard"].tell(request, options={})
    assert (told.id, told.type, told.data) == ("msg_1", "order.created", {"id": 7})


def test_standard_webhooks_believes_an_ed25519_signature() -> None:
    private = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = base64.b64encode(private.sign(b"msg_1.1731705121.{}")).decode()
    key = f"whpk_{base64.b64encode(public).decode()}"
    headers = {"webhook_id": "msg_1", "webhook_timestamp": "1731705121", "webhook_signature": f"v1a,{signature}"}

    assert PRESETS["standard"].verify(_request(b"{}", **headers), secrets=[key], options={}, now=NOW).key == 0
    assert _refusal("standard", _request(b"{ }", **headers), secrets=[key], options={}) is Reason.WRONG_SIGNATURE


def test_what_stripe_believes_is_believed() -> None:
    body = json.dumps({"id": "evt_1", "type": "charge.refunded", "data": {"object": {"id": "ch_1"}}})
    signed = hmac.new(b"whsec_test", f"{int(NOW)}.{body}".encode(), hashlib.sha256).hexdigest()
    header = f"t={int(NOW)},v1={'0' * 64},v1={signed},v0={'1' * 64}"
    request = _request(body.encode(), Stripe_Signature=header)

    assert stripe.WebhookSignature.verify_header(body, header, "whsec_test", None)
    assert PRESETS["stripe"].verify(request, secrets=["whsec_test"], options={}, now=NOW).key == 0
    told = PRESETS["stripe"].tell(request, options={})
    assert (told.id, told.type, told.subject) == ("evt_1", "charge.refunded", "ch_1")


def test_the_published_example_of_github_is_believed() -> None:
    # https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    request = _request(b"Hello, World!", X_Hub_Signature_256=signature)

    assert PRESETS["github"].verify(request, secrets=["It's a Secret to Everybody"], options={}, now=NOW).key == 0


def test_the_published_example_of_slack_is_believed() -> None:
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    request = _request(
        body,
        X_Slack_Request_Timestamp="1531420618",
        X_Slack_Signature="v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        content_type="application/x-www-form-urlencoded",
    )

    assert PRESETS["slack"].verify(request, secrets=[secret], options={}, now=1_531_420_618).key == 0
    assert PRESETS["slack"].tell(request, options={}).type == "command"


def test_what_the_library_of_slack_signs_is_believed_and_its_challenge_answered() -> None:
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB"}'
    signature = SignatureVerifier("s3cret").generate_signature(timestamp=str(int(NOW)), body=body)
    assert signature is not None
    request = _request(body, X_Slack_Request_Timestamp=str(int(NOW)), X_Slack_Signature=signature)

    assert PRESETS["slack"].verify(request, secrets=["s3cret"], options={}, now=NOW).key == 0
    assert PRESETS["slack"].challenge(request) == b"3eZbrw1aB"


def test_a_webhook_of_shopify_is_believed_and_read() -> None:
    body = b'{"id": 820982911946154508}'
    signature = base64.b64encode(hmac.new(b"hush", body, hashlib.sha256).digest()).decode()
    request = _request(
        body, X_Shopify_Hmac_Sha256=signature, X_Shopify_Webhook_Id="b54557e4", X_Shopify_Topic="orders/create"
    )

    assert PRESETS["shopify"].verify(request, secrets=["old", "hush"], options={}, now=NOW).key == 1
    told = PRESETS["shopify"].tell(request, options={})
    assert (told.id, told.type, told.subject) == ("b54557e4", "orders.create", "820982911946154508")


def test_a_signature_of_ones_own_is_believed_with_its_time() -> None:
    options = {
        "header": "X-Sig",
        "algorithm": "sha512",
        "encoding": "base64",
        "prefix": "s=",
        "timestamp_header": "X-At",
        "separator": ":",
        "id": "header:X-Id",
        "event": "body:kind",
        "subject": "body:order.id",
    }
    body = b'{"kind": "paid", "order": {"id": 7}}'
    signature = base64.b64encode(hmac.new(b"key", b"1731705121:" + body, hashlib.sha512).digest()).decode()
    request = _request(body, X_Sig=f"s={signature}", X_At="1731705121", X_Id="d-1")

    assert PRESETS["hmac"].verify(request, secrets=["key"], options=options, now=NOW).signed_at == NOW
    told = PRESETS["hmac"].tell(request, options=options)
    assert (told.id, told.type, told.subject) == ("d-1", "paid", "7")


def test_a_token_is_believed_in_the_header_it_belongs_in() -> None:
    token = "a-token-of-some-length"
    bearer, key = _request(b"{}", Authorization=f"Bearer {token}"), _request(b"{}", X_Api_Key=token)

    assert PRESETS["bearer"].verify(bearer, secrets=["another-token-entirely", token], options={}, now=NOW).key == 1
    assert PRESETS["bearer"].verify(key, secrets=[token], options={"header": "X-Api-Key"}, now=NOW).key == 0
    assert _refusal("bearer", key, secrets=[token], options={}) is Reason.NO_SIGNATURE


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_a_certificate_is_believed_from_a_proxy_of_the_source_only(peer: str) -> None:
    options = {
        "header": "X-Client-Fingerprint",
        "allowed": ["AB:" * 31 + "AB"],
        "proxies": ["10.0.0.0/8"],
        "verify_header": "X-Client-Verify",
    }
    headers = {"x-client-fingerprint": "ab" * 32, "x-client-verify": "SUCCESS"}
    inside, outside = (Request(body=b"{}", headers=headers, peer=address) for address in (peer, "192.0.2.1"))

    assert PRESETS["mtls"].verify(inside, secrets=[], options=options, now=NOW).key == 0
    assert _refusal("mtls", outside, secrets=[], options=options) is Reason.UNTRUSTED_PROXY


def test_a_body_that_is_not_what_the_preset_sends_says_where() -> None:
    with pytest.raises(Untold, match=r"\$\.type: must be text"):
        PRESETS["stripe"].tell(_request(b'{"id": "evt_1"}'), options={})
    with pytest.raises(Untold, match="the body must be an object, this is a list"):
        PRESETS["github"].tell(_request(b"[]", X_GitHub_Event="push", X_GitHub_Delivery="1"), options={})
    with pytest.raises(Untold, match="not JSON"):
        PRESETS["hmac"].tell(_request(b"{'secret': 1"), options={"header": "X"})


def test_secrets_that_cannot_work_are_named_without_being_shown() -> None:
    problem = PRESETS["standard"].secret_problem("whsec_c2hvcnQ=")

    assert problem is not None
    assert "this has 5 bytes" in problem
    assert "c2hvcnQ" not in problem
    assert PRESETS["bearer"].secret_problem("short") is not None


def test_events_of_hubspot_are_believed_for_the_address_it_was_given_and_are_one_delivery_again() -> None:
    url, secret, at = "https://hooks.example.com/hooks/crm", "client-s3cret", f"{int(NOW)}250"
    events = [
        {
            "eventId": 3,
            "subscriptionId": 7,
            "subscriptionType": "contact.creation",
            "objectId": 512,
            "attemptNumber": 0,
        },
        {
            "eventId": 4,
            "subscriptionId": 7,
            "subscriptionType": "contact.creation",
            "objectId": 513,
            "attemptNumber": 0,
        },
    ]
    body = json.dumps(events).encode()
    digest = hmac.new(secret.encode(), f"POST{url}".encode() + body + at.encode(), hashlib.sha256).digest()
    request = _request(body, x_hubspot_signature_v3=base64.b64encode(digest).decode(), x_hubspot_request_timestamp=at)
    again = _request(json.dumps([{**one, "attemptNumber": 1} for one in reversed(events)]).encode())
    hubspot = PRESETS["hubspot"]

    assert hubspot.verify(request, secrets=[secret], options={"url": url}, now=NOW).signed_at == int(NOW)
    refused = _refusal("hubspot", request, secrets=[secret], options={"url": f"{url}/else"})
    assert refused is Reason.WRONG_SIGNATURE
    told = hubspot.tell(request, options={})
    assert (told.type, told.subject, len(told.data["events"])) == ("contact.creation", "", 2)
    assert hubspot.tell(again, options={}).id == told.id
    with pytest.raises(Untold):
        hubspot.tell(_request(b"{}"), options={})


_PULL = {"action": "opened", "number": 2, "repository": {"id": 1, "full_name": "Codertocat/Hello-World"}}
_CALLBACK = {
    "token": "z26uFbvR1xHJEdHE1OQiO6t8",
    "team_id": "T123ABC456",
    "api_app_id": "A123ABC456",
    "event": {"type": "app_mention", "user": "U123ABC456", "text": "hi", "channel": "C123ABC456", "event_ts": "1.2"},
    "type": "event_callback",
    "event_id": "Ev123ABC456",
    "event_time": 1234567890,
}
_BUTTON = {"type": "block_actions", "trigger_id": "12466734323.1395872398", "channel": {"id": "D12KM95L3"}}
_ORDER = {"id": 820982911946154508, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508", "currency": "USD"}
_FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("preset", "headers", "body", "told"),
    [
        ("github", {"x-github-event": "ping"}, json.dumps({"zen": "Design for failure.", "hook_id": 1}), ("ping", "")),
        ("github", {}, json.dumps(_PULL), ("pull_request.opened", "Codertocat/Hello-World")),
        ("github", _FORM, urlencode({"payload": json.dumps(_PULL)}), ("pull_request.opened", "Codertocat/Hello-World")),
        ("slack", {}, json.dumps(_CALLBACK), ("app_mention", "C123ABC456")),
        ("slack", _FORM, urlencode({"payload": json.dumps(_BUTTON)}), ("block_actions", "D12KM95L3")),
        ("shopify", {}, json.dumps(_ORDER), ("orders.create", "gid://shopify/Order/820982911946154508")),
    ],
    ids=["ping", "pull request", "pull request as a form", "mention", "button", "order"],
)
def test_what_vendors_document_that_they_send_is_read(
    preset: str, headers: Mapping[str, str], body: str, told: tuple[str, str]
) -> None:
    known = {
        "x-github-event": "pull_request",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "x-shopify-topic": "orders/create",
        "x-shopify-shop-domain": "{shop}.myshopify.com",
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "x-shopify-triggered-at": "2023-03-29T18:00:27.877041743Z",
    }
    found = PRESETS[preset].tell(Request(body=body.encode(), headers={**known, **headers}), options={})

    assert (found.type, found.subject) == told
    assert found.id in (*known.values(), "Ev123ABC456", "12466734323.1395872398")


def test_what_we_believe_the_client_of_stripe_reads_and_what_it_refuses_we_refuse() -> None:
    payload = json.dumps(
        {"id": "evt_1", "object": "event", "type": "charge.refunded", "data": {"object": {"id": "ch_1"}}}
    )

    def both(at: float, secret: str) -> tuple[bool, bool]:
        signed = hmac.new(secret.encode(), f"{int(at)}.{payload}".encode(), hashlib.sha256).hexdigest()
        header = f"t={int(at)},v1={signed}"
        now = time.time()
        try:
            stripe.Webhook.construct_event(payload, header, "whsec_test")  # type: ignore[no-untyped-call]  # Stripe's
            theirs = True
        except stripe.SignatureVerificationError:
            theirs = False
        try:
            PRESETS["stripe"].verify(
                _request(payload.encode(), Stripe_Signature=header), secrets=["whsec_test"], options={}, now=now
            )
        except Unverified:
            return theirs, False
        return theirs, True

    now = time.time()
    assert [both(now, "whsec_test"), both(now - 200, "whsec_test")] == [(True, True)] * 2
    assert [both(now - 400, "whsec_test"), both(now, "whsec_other")] == [(False, False)] * 2
