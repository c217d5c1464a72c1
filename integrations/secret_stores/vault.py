"""Secrets in HashiCorp Vault, through hvac; read with the operator's token or as an AppRole.

vault:secret/payments#token               KV version 2, where VAULT_KV_MOUNTS names the mount
vault:database/creds/readonly#password    anything else that is read; its lease is honoured
"""

import functools
import importlib
import os
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from integrations.secret_stores.contract import Away, Fetched, Missing, Reference, StoreError

name = "vault"
example = "vault:secret/payments#token"
is_kept = True
_TIMEOUT_S = 5
_PLACE = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.@=-]+)+")
_FIELD = re.compile(r"[^\x00-\x1f]{1,100}")
_logging_in = threading.Lock()


def problem_of(reference: Reference) -> str | None:
    """This will want a mount, a path and a field."""
    segments = reference.place.split("/")
    if _PLACE.fullmatch(reference.place) is None or any(segment in (".", "..") for segment in segments):
        return f"must be vault:, the mount, the path and # with the field, such as {example}"
    return None if _FIELD.fullmatch(reference.field) else f"must name a field after #, such as {example}"


def fetch(place: str) -> Fetched:
    """This will read a path. Raises Missing or Away."""
    client = _client()
    try:
        return _read(client, place)
    except _errors().Forbidden as error:
        if not settings.VAULT_ROLE_ID and not settings.VAULT_TOKEN_FILE:
            raise Missing(f"Vault does not let this token read {place}: see its policy") from error
    _log_in(client)
    try:
        return _read(client, place)
    except _errors().Forbidden as error:
        raise Missing(f"Vault does not let us read {place}: see the policy of the role") from error


def forget() -> None:
    """This will forget the login: a child of a fork makes its own."""
    _client.cache_clear()


def _read(client: Any, place: str) -> Fetched:  # Any: hvac has no types
    mount, _, path = place.partition("/")
    if mount in settings.VAULT_KV_MOUNTS:
        answer = _asked(
            lambda: client.secrets.kv.v2.read_secret_version(
                path=path, mount_point=mount, raise_on_deleted_version=True
            ),
            place=place,
        )
        return Fetched(fields=_texts(answer["data"]["data"] or {}))
    answer = _asked(lambda: client.read(place), place=place)
    if answer is None:
        raise Missing(f"Vault has nothing at {place}")
    lease_s = float(answer.get("lease_duration") or 0)
    return Fetched(fields=_texts(answer.get("data") or {}), lease_s=lease_s or None)


def _asked(question: Callable[[], Any], *, place: str) -> Any:  # Any: JSON
    """What an answer without a secret means; a refusal is the caller's matter."""
    errors = _errors()
    try:
        return question()
    except errors.Forbidden:
        raise
    except errors.InvalidPath as error:
        raise Missing(f"Vault has nothing at {place}") from error
    except errors.InvalidRequest as error:
        raise Missing(f"Vault takes {place} for no request it knows") from error
    except (errors.VaultError, _requests().RequestException) as error:
        raise Away(f"Vault does not answer for {place}: {type(error).__name__}") from error


def _log_in(client: Any) -> None:  # Any: hvac has no types
    """One thread logs in, whoever waits for it. Raises Away, or Missing when Vault does not take the role."""
    with _logging_in:
        if settings.VAULT_TOKEN_FILE:
            client.token = _token_of_file()
            return
        try:
            _asked(
                lambda: client.auth.approle.login(
                    role_id=settings.VAULT_ROLE_ID, secret_id=settings.VAULT_SECRET_ID, use_token=True
                ),
                place="auth/approle/login",
            )
        except (StoreError, _errors().Forbidden) as error:
            if isinstance(error, Away):
                raise
            raise Missing("Vault does not take VAULT_ROLE_ID and VAULT_SECRET_ID") from error


@functools.cache
def _client() -> Any:  # Any: hvac has no types
    if not settings.VAULT_URL:
        raise Missing("VAULT_URL is not set: it says where Vault is")
    try:
        hvac = importlib.import_module("hvac")
    except ModuleNotFoundError as error:
        raise Missing("Vault needs hvac: pip install 'automation-engine[vault]'") from error
    token = _token_of_file() if settings.VAULT_TOKEN_FILE else settings.VAULT_TOKEN
    client = hvac.Client(
        url=settings.VAULT_URL, namespace=settings.VAULT_NAMESPACE or None, token=token or None, timeout=_TIMEOUT_S
    )
    if not token:
        client.token = None  # hvac would take one from the home folder of whoever runs this
    client.session.trust_env = False
    if not token:
        _log_in(client)
    return client


def _token_of_file() -> str:
    try:
        return Path(settings.VAULT_TOKEN_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Away(f"VAULT_TOKEN_FILE cannot be read: {error.strerror}") from error


def _texts(fields: Mapping[str, Any]) -> Mapping[str, str]:  # Any: JSON
    return {key: value if isinstance(value, str) else str(value) for key, value in fields.items()}


def _errors() -> Any:  # Any: hvac has no types
    return importlib.import_module("hvac.exceptions")


def _requests() -> Any:  # Any: it is not ours, hvac brings it
    return importlib.import_module("requests.exceptions")


os.register_at_fork(after_in_child=forget)
