"""Laws of sending webhooks: what we sign is believed, delays grow and end, who is subscribed is sent what they want."""

import base64
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from automation.outbound import signing
from automation.outbound.deciding import DELAYS_S, LONGEST_ASKED_S, Dead, Later, after_failure, is_wanted
from automation.verification.contract import Request
from automation.verification.presets import PRESETS

AT = 1_800_000_000
symmetric = st.binary(min_size=24, max_size=64).map(lambda key: f"whsec_{base64.b64encode(key).decode()}")
private = st.binary(min_size=32, max_size=32)
ids = st.from_regex(r"msg_[0-9a-f]{32}", fullmatch=True)


@given(ids, st.binary(max_size=200), st.lists(symmetric, min_size=1, max_size=3, unique=True), st.data())
def test_what_we_sign_is_believed_with_any_of_the_secrets(
    message_id: str, body: bytes, secrets: list[str], data: st.DataObject
) -> None:
    headers = signing.headers(message_id=message_id, at=AT, body=body, secrets=secrets)
    known = data.draw(st.sampled_from(secrets))

    request = Request(body=body, headers=headers)
    assert PRESETS["standard"].verify(request, secrets=[known], options={}, now=AT).key == 0


@given(ids, private, st.binary(max_size=200))
def test_an_ed25519_signature_of_ours_is_believed(message_id: str, key: bytes, body: bytes) -> None:
    public = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    secret = f"whsk_{base64.b64encode(key).decode()}"
    headers = signing.headers(message_id=message_id, at=AT, body=body, secrets=[secret])

    shown = f"whpk_{base64.b64encode(public).decode()}"
    assert PRESETS["standard"].verify(Request(body=body, headers=headers), secrets=[shown], options={}, now=AT)


@given(ids, st.text(max_size=100), symmetric)
def test_what_we_sign_is_what_the_library_of_standard_webhooks_signs(message_id: str, text: str, secret: str) -> None:
    body = text.encode("utf-8", errors="replace")
    headers = signing.headers(message_id=message_id, at=AT, body=body, secrets=[secret])

    theirs = Webhook(secret).sign(message_id, datetime.fromtimestamp(AT, UTC), body.decode())
    assert headers["webhook-signature"] == theirs


@given(st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1e9)))
def test_delays_grow_and_end(chance: float, asked_s: float | None) -> None:
    found = [after_failure(attempts=n, chance=chance, asked_s=asked_s) for n in range(1, len(DELAYS_S) + 3)]
    plain = [after_failure(attempts=n, chance=chance) for n in range(1, len(DELAYS_S) + 1)]

    assert [isinstance(one, Dead) for one in found] == [False] * len(DELAYS_S) + [True, True]
    delays = [one.delay_s for one in plain if isinstance(one, Later)]
    assert delays == sorted(delays)
    assert 2.5 * 86_400 < sum(delays) < 5 * 86_400
    least = min(asked_s or 0, LONGEST_ASKED_S)
    assert all(one.delay_s >= least for one in found if isinstance(one, Later))


@given(st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5}){0,2}", fullmatch=True), st.integers(0, 12))
def test_a_type_is_wanted_by_its_name_and_by_each_of_its_beginnings(event_type: str, length: int) -> None:
    assert is_wanted(types=[event_type], event_type=event_type)
    assert is_wanted(types=[f"{event_type[:length]}*"], event_type=event_type)
    assert not is_wanted(types=[f"{event_type}x*", f"{event_type}x", ""], event_type=event_type)
