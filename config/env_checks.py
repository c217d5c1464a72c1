"""What the values of settings must be like; each check raises ValidationError with what would be right."""

import importlib.util
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from environs import ValidationError

_SECRET_KEY_LENGTH = 32


def schemes(*allowed: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if urlsplit(value).scheme not in allowed:
            raise ValidationError(f"The scheme of the URL must be one of: {', '.join(allowed)}.")

    return check


def one_of(*allowed: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value not in allowed:
            raise ValidationError(f"Must be one of: {', '.join(allowed)}.")

    return check


def at_least(minimum: float) -> Callable[[float], None]:
    def check(value: float) -> None:
        if value < minimum:
            raise ValidationError(f"Must be {minimum} or more.")

    return check


def is_long(value: str) -> None:
    if len(value) < _SECRET_KEY_LENGTH:
        raise ValidationError(f"Must have at least {_SECRET_KEY_LENGTH} characters.")


def mail_server(value: str) -> None:
    if value:
        schemes("smtp", "smtp+tls", "smtp+ssl", "console")(value)


def each(check: Callable[[str], None]) -> Callable[[Sequence[str]], None]:
    def check_all(values: Sequence[str]) -> None:
        for value in values:
            check(value)

    return check_all


def search_engine(value: str) -> None:
    """Without TLS only on this machine: the documents name what failed, and the URL has a password."""
    if not value:
        return
    schemes("https", "http")(value)
    parts = urlsplit(value)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValidationError("Must be https://, except on this machine.")
    if importlib.util.find_spec("opensearchpy") is None:
        raise ValidationError("Needs the extra `opensearch`: uv sync --extra opensearch.")


def reads_as(parse: Callable[[str], object]) -> Callable[[str], None]:
    def check(value: str) -> None:
        try:
            parse(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    return check
