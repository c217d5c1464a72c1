"""The masking of secrets, case by case."""

import pytest

from audit.redaction import MASK, is_secret_key, redacted


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "DB_PASSWORD",
        "Authorization",
        "x-api-key",
        "apiKey",
        "client_secret",
        "Set-Cookie",
        "privateKey",
    ],
)
def test_is_secret_key_finds_the_usual_names(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize("key", ["idempotency_key", "author", "step", "amount", "keyboard"])
def test_is_secret_key_leaves_harmless_names(key: str) -> None:
    assert not is_secret_key(key)


def test_redacted_masks_by_key_at_any_depth_and_leaves_the_original() -> None:
    value = {"headers": [{"Authorization": "Bearer x", "Accept": "json"}], "token": None, "n": 3}

    assert redacted(value) == {"headers": [{"Authorization": MASK, "Accept": "json"}], "token": None, "n": 3}
    assert value["headers"] == [{"Authorization": "Bearer x", "Accept": "json"}]


def test_redacted_masks_known_secrets_inside_texts_longest_first() -> None:
    assert redacted(["abc", "see abcdef!"], secrets=["abc", "abcdef", ""]) == [MASK, f"see {MASK}!"]
