"""The masking of secrets before anything is logged, shown or audited; it never decides what is recorded.

A value is masked when the key it stands under looks like that of a secret, and wherever a known secret occurs
inside a text. A key that looks harmless with an unknown secret under it is not found.
"""

import re
from collections.abc import Collection, Mapping, Sequence

MASK = "***"
_WORDS = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|api[-_. ]?key|auth(?:orization|entication)"
    r"|cookie|credential|private[-_. ]?key|access[-_. ]?key|signature|session[-_. ]?id"
)
_SECRET_KEY = re.compile(_WORDS, re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"""((?:{_WORDS})[\w-]*["']?\s*[:=]\s*["']?(?:(?:Bearer|Basic)\s+)?)[^\s"'&,;{{}}()\[\]]+""", re.IGNORECASE
)


def is_secret_key(key: str) -> bool:
    """This will tell whether a value under this key must be taken for a secret.

    >>> is_secret_key("X-Api-Key"), is_secret_key("idempotency_key")
    (True, False)
    """
    return _SECRET_KEY.search(key) is not None


def redacted(value: object, *, secrets: Collection[str] = ()) -> object:
    """This will copy a JSON-compatible value with secrets masked; `secrets` are known secret values.

    >>> redacted({"password": "x", "note": "call with s3cr3t"}, secrets=["s3cr3t"])
    {'password': '***', 'note': 'call with ***'}
    """
    if isinstance(value, str):
        return redacted_text(value, secrets=secrets)
    if isinstance(value, Mapping):
        return {
            key: MASK if item is not None and is_secret_key(str(key)) else redacted(item, secrets=secrets)
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [redacted(item, secrets=secrets) for item in value]
    return value


def without_secrets(value: object, *, secrets: Collection[str]) -> object:
    """This will copy a JSON-compatible value with known secrets masked wherever they stand, and nothing else.

    >>> without_secrets({"token": "t-1", "s3cr3t": ["Basic s3cr3t"]}, secrets=["s3cr3t"])
    {'token': 't-1', '***': ['Basic ***']}
    """
    if isinstance(value, str):
        return redacted_text(value, secrets=secrets)
    if isinstance(value, Mapping):
        return {
            redacted_text(key, secrets=secrets) if isinstance(key, str) else key: without_secrets(item, secrets=secrets)
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [without_secrets(item, secrets=secrets) for item in value]
    return value


def redacted_text(text: str, *, secrets: Collection[str]) -> str:
    """This will mask every occurrence of a known secret in a text; the longest secrets go first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def masked_text(text: str) -> str:
    """This will mask what a text assigns to the name of a secret, as in `key=value` and `"key": "value"`.

    >>> masked_text("{'api_key': 'k-123', 'note': 'x'} password=abc&page=2 Authorization: Bearer xyz")
    "{'api_key': '***', 'note': 'x'} password=***&page=2 Authorization: Bearer ***"
    """
    return _ASSIGNED.sub(rf"\g<1>{MASK}", text)
