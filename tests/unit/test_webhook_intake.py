"""One request at the intake: judged, kept or refused; and the bytes in which it travels."""

import hashlib
import hmac
from collections.abc import Mapping
from uuid import UUID, uuid4

import pytest

from automation.intake.envelope import Envelope, EnvelopeUnreadable, seal, unseal
from automation.intake.judging import Buckets, Challenged, Refusal, Source, judge, too_large
from automation.intake.stores import BrokerStore
from automation.verification.contract import Request
from automation.verification.presets import PRESETS
from workflows.core.gcra import Rate

NOW = 1_800_000_000.0


def _source(**more: object) -> Source:
    values: dict[str, object] = {"name": "shop", "preset": PRESETS["github"], "options": {}, "secrets": ["s3cret"]}
    return Source(**{**values, **more})  # type: ignore[arg-type]  # fields by name


def _signed(body: bytes, **headers: str) -> Request:
    signature = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    return Request(body=body, headers={"x-hub-signature-256": f"sha256={signature}", **headers}, peer="192.0.2.1")


def _judged(source: Source, request: Request, *, buckets: Buckets | None = None, now: float = NOW) -> object:
    return judge(source, request, buckets=buckets or Buckets(), now=now, new_id=UUID(int=7))


def test_a_believed_request_is_kept_as_it_came_without_what_proved_it() -> None:
    request = _signed(b"{}", authorization="Bearer t0ken", cookie="a=b", **{"x-github-event": "push"})

    kept = _judged(_source(), request)

    assert isinstance(kept, Envelope)
    assert (kept.id, kept.source, kept.body, kept.peer, kept.received_at) == (
        UUID(int=7),
        "shop",
        b"{}",
        "192.0.2.1",
        NOW,
    )
    assert kept.headers["x-github-event"] == "push"
    assert (kept.headers["authorization"], kept.headers["cookie"]) == ("***", "***")


def test_the_token_of_a_header_of_ones_own_is_not_kept() -> None:
    source = _source(preset=PRESETS["bearer"], options={"header": "X-Key"}, secrets=["a-token-of-some-length"])

    kept = _judged(source, Request(body=b"", headers={"x-key": "a-token-of-some-length"}))

    assert isinstance(kept, Envelope)
    assert kept.headers == {"x-key": "***"}


def test_who_is_not_believed_is_refused_and_uses_up_no_rate() -> None:
    source, buckets = _source(rate=Rate(limit=1, period_s=10)), Buckets()
    forged = Request(body=b"{}", headers={"x-hub-signature-256": f"sha256={'0' * 64}"})

    refusals = [_judged(source, forged, buckets=buckets) for _ in range(3)]

    assert {(one.status, one.reason) for one in refusals if isinstance(one, Refusal)} == {(401, "wrong_signature")}
    assert isinstance(_judged(source, _signed(b"{}"), buckets=buckets), Envelope)


def test_more_than_its_rate_is_refused_with_when_to_come_again() -> None:
    source, buckets = _source(rate=Rate(limit=1, period_s=10, burst=2)), Buckets()

    answers = [_judged(source, _signed(b"{}"), buckets=buckets, now=NOW + n) for n in range(3)]

    assert [isinstance(one, Envelope) for one in answers] == [True, True, False]
    refusal = answers[2]
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.retry_after) == (429, 8)
    assert isinstance(_judged(source, _signed(b"{}"), buckets=buckets, now=NOW + 10), Envelope)


def test_a_source_whose_secret_cannot_be_read_asks_to_come_again() -> None:
    refusal = _judged(_source(secrets=[]), _signed(b"{}"))

    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.retry_after) == (503, 60)


def test_a_body_one_byte_too_long_is_refused() -> None:
    source = _source(max_bytes=10)

    assert too_large(source, length=10) is None
    refusal = too_large(source, length=11)
    assert refusal is not None
    assert refusal.status == 413


def test_a_challenge_is_answered_and_not_kept() -> None:
    body = b'{"type": "url_verification", "challenge": "abc"}'
    signature = hmac.new(b"s3cret", f"v0:{int(NOW)}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-slack-request-timestamp": str(int(NOW)), "x-slack-signature": f"v0={signature}"}

    assert _judged(_source(preset=PRESETS["slack"]), Request(body=body, headers=headers)) == Challenged(b"abc")


@pytest.mark.parametrize("headers", [{}, {"a": "ü\x00\n", "b": "\ud800"}])
def test_an_envelope_comes_out_as_it_went_in(headers: Mapping[str, str]) -> None:
    envelope = Envelope(
        id=uuid4(),
        source="shop",
        received_at=NOW,
        body=b"\x00\xff{}",
        headers=headers,
        peer="::1",
        key=2,
        signed_at=1.5,
    )

    opened = unseal(seal(envelope))

    assert (opened.id, opened.body, opened.peer, opened.key, opened.signed_at) == (
        envelope.id,
        envelope.body,
        "::1",
        2,
        1.5,
    )
    assert opened.headers.keys() == headers.keys()


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"\x00\x00\x00\xff{}", b"\x00\x00\x00\x02[]", b'\x00\x00\x00\x07{"v":9}']
)
def test_bytes_that_are_no_envelope_are_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeUnreadable):
        unseal(data)


FROZEN = (
    b'\x00\x00\x00\x93{"v":1,"id":"0197a2c4000070008000000000000007","source":"shop","at":1800000000.5,'
    b'"headers":{"x-kind":"a"},"peer":"192.0.2.1","key":1,"signed":null}\x00\xff{}'
)
"""An envelope as a release has left it in a queue: it must be read for ever. Another form needs another version."""


def test_an_envelope_of_the_first_release_is_read_and_written_as_it_was() -> None:
    envelope = Envelope(
        id=UUID("0197a2c4-0000-7000-8000-000000000007"),
        source="shop",
        received_at=1_800_000_000.5,
        body=b"\x00\xff{}",
        headers={"x-kind": "a"},
        peer="192.0.2.1",
        key=1,
    )

    assert unseal(FROZEN) == envelope
    assert seal(envelope) == FROZEN


def test_a_broker_that_keeps_silent_is_asked_ever_more_rarely_until_it_confirms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = BrokerStore("amqp://nobody")
    envelope = _judged(_source(), _signed(b"{}"))
    assert isinstance(envelope, Envelope)
    rests: list[float] = []
    is_silent = True

    def publish(one: Envelope) -> None:
        if is_silent:
            store._open[1] = one

    monkeypatch.setattr(store, "_connect", lambda: None)
    monkeypatch.setattr(store, "_publish", publish)
    monkeypatch.setattr(store, "_await_confirms", lambda: None)
    monkeypatch.setattr(store, "_rest", lambda rest_s: (rests.append(rest_s), store.close()))
    for _ in range(7):
        assert store.put([envelope]) == [envelope]
    is_silent = False
    assert store.put([envelope]) == []
    is_silent = True
    store.put([envelope])

    assert rests == [2, 4, 8, 16, 32, 60, 60, 2]
