"""Laws of believing requests: what is signed is believed, whatever the bytes; what is changed is not, ever."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.verification.contract import Reason, Request, Unverified
from automation.verification.presets import PRESETS

NOW = 1_800_000_000.0
Signed = Callable[[bytes, str, int], Mapping[str, str]]


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _standard(body: bytes, secret: str, at: int) -> Mapping[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, f"m.{at}.".encode() + body, hashlib.sha256).digest()).decode()
    return {"webhook-id": "m", "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


URL = "https://hooks.example.com/hooks/crm?tenant=7"
SENDERS: Mapping[str, Signed] = {
    "standard": _standard,
    "stripe": lambda body, secret, at: {"stripe-signature": f"t={at},v1={_hex(secret, f'{at}.'.encode() + body)}"},
    "github": lambda body, secret, _at: {"x-hub-signature-256": f"sha256={_hex(secret, body)}"},
    "shopify": lambda body, secret, _at: {
        "x-shopify-hmac-sha256": base64.b64encode(bytes.fromhex(_hex(secret, body))).decode()
    },
    "slack": lambda body, secret, at: {
        "x-slack-request-timestamp": str(at),
        "x-slack-signature": f"v0={_hex(secret, f'v0:{at}:'.encode() + body)}",
    },
    "hubspot": lambda body, secret, at: {
        "x-hubspot-request-timestamp": f"{at}000",
        "x-hubspot-signature-v3": base64.b64encode(
            bytes.fromhex(_hex(secret, b"POST" + URL.encode() + body + f"{at}000".encode()))
        ).decode(),
    },
    "hmac": lambda body, secret, at: {"x-sig": _hex(secret, f"{at}.".encode() + body), "x-at": str(at)},
}
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "hmac": {"header": "X-Sig", "timestamp_header": "X-At"},
    "hubspot": {"url": URL},
}
TIMED = ("hmac", "hubspot", "slack", "standard", "stripe")
presets = st.sampled_from(sorted(SENDERS))
secrets = st.binary(min_size=24, max_size=64).map(lambda key: f"whsec_{base64.b64encode(key).decode()}")


def _judge(preset: str, request: Request, keys: list[str], *, now: float = NOW) -> int:
    return PRESETS[preset].verify(request, secrets=keys, options=OPTIONS.get(preset, {}), now=now).key


@given(presets, st.binary(max_size=200), st.lists(secrets, min_size=1, max_size=4, unique=True), st.data())
def test_what_any_key_of_a_source_signed_is_believed(
    preset: str, body: bytes, keys: list[str], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(keys) - 1))
    request = Request(body=body, headers=SENDERS[preset](body, keys[place], int(NOW)))

    assert _judge(preset, request, keys) == place


@given(presets, st.binary(max_size=200), st.binary(max_size=200), secrets)
def test_another_body_is_never_believed(preset: str, body: bytes, other: bytes, key: str) -> None:
    request = Request(body=other, headers=SENDERS[preset](body, key, int(NOW)))

    if body == other:
        assert _judge(preset, request, [key]) == 0
    else:
        with pytest.raises(Unverified) as raised:
            _judge(preset, request, [key])
        assert raised.value.reason is Reason.WRONG_SIGNATURE


@given(presets, st.binary(max_size=50), secrets, st.data())
def test_a_changed_header_is_never_believed_and_never_breaks_anything(
    preset: str, body: bytes, key: str, data: st.DataObject
) -> None:
    headers = dict(SENDERS[preset](body, key, int(NOW)))
    name = data.draw(st.sampled_from(sorted(headers)))
    changed = data.draw(st.text(max_size=80).filter(lambda text: _means_other(text, headers[name])))
    request = Request(body=body, headers={**headers, name: changed})

    with pytest.raises(Unverified):
        _judge(preset, request, [key])


@given(st.sampled_from(TIMED), st.binary(max_size=50), secrets, st.integers(-1000, 1000))
def test_a_signature_is_believed_within_its_tolerance_only(preset: str, body: bytes, key: str, late_s: int) -> None:
    request = Request(body=body, headers=SENDERS[preset](body, key, int(NOW)))

    if abs(late_s) <= 300:
        assert _judge(preset, request, [key], now=NOW + late_s) == 0
    else:
        with pytest.raises(Unverified) as raised:
            _judge(preset, request, [key], now=NOW + late_s)
        assert raised.value.reason is (Reason.TOO_OLD if late_s > 0 else Reason.TOO_NEW)


@given(presets, st.binary(max_size=50), st.lists(st.just(""), max_size=2))
def test_without_a_secret_nothing_is_believed(preset: str, body: bytes, keys: list[str]) -> None:
    for signed_with in ("", "whsec_"):
        with pytest.raises(Unverified):
            _judge(preset, Request(body=body, headers=SENDERS[preset](body, signed_with, int(NOW))), keys)


@given(st.sampled_from(sorted(PRESETS)), st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_whatever_comes_is_judged_and_nothing_else_is_raised(preset: str, headers: Mapping[str, str]) -> None:
    options = {
        **OPTIONS,
        "mtls": {"header": "X-Cert", "allowed": ["ab" * 32], "proxies": ["10.0.0.1"]},
    }.get(preset, {})
    request = Request(body=b"{}", headers={name.lower(): value for name, value in headers.items()}, peer="no address")

    with pytest.raises(Unverified):
        PRESETS[preset].verify(request, secrets=["whsec_" + "QUFB" * 8], options=options, now=NOW)


def _means_other(text: str, original: str) -> bool:
    """Blanks around a header, and upper case in hex, change nothing."""
    return text.strip().lower() != original.lower() and text.split() != original.split()
