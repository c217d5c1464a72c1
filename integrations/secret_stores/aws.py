"""Secrets in AWS Secrets Manager, through boto3, which finds region, role and endpoint as the AWS command line does.

aws:prod/payments#token       a field of a secret that is a JSON object
aws:prod/signing-key          a secret that is a text
"""

import functools
import importlib
import json
import os
import re
from typing import Any

from integrations.secret_stores.contract import Away, Fetched, Missing, Reference

name = "aws"
example = "aws:prod/payments#token"
is_kept = True
_TIMEOUT_S = 5
_NAME = re.compile(r"[A-Za-z0-9/_+=.@:-]{1,512}")
_GONE = frozenset(
    {
        "ResourceNotFoundException",
        "AccessDeniedException",
        "InvalidParameterException",
        "InvalidRequestException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
"""What will not be otherwise by asking again."""


def problem_of(reference: Reference) -> str | None:
    """This will want a name or ARN."""
    return None if _NAME.fullmatch(reference.place) else f"must be aws: and the name of a secret, such as {example}"


def fetch(place: str) -> Fetched:
    """This will read the current version of a secret. Raises Missing or Away."""
    errors = _errors()
    try:
        answer = _client().get_secret_value(SecretId=place)
    except errors.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _GONE:
            raise Missing(f"AWS Secrets Manager says {code} for {place}") from error
        raise Away(f"AWS Secrets Manager says {code or type(error).__name__} for {place}") from error
    except (errors.NoCredentialsError, errors.NoRegionError) as error:
        raise Missing(f"AWS is not set up on this worker: {error}") from error
    except errors.BotoCoreError as error:
        raise Away(f"AWS Secrets Manager does not answer for {place}: {type(error).__name__}") from error
    return Fetched(fields=_fields(answer, place=place))


def forget() -> None:
    """This will forget the client: a child of a fork makes its own."""
    _client.cache_clear()


def _fields(answer: Any, *, place: str) -> dict[str, str]:  # Any: JSON
    text = answer.get("SecretString")
    if not isinstance(text, str):
        raise Missing(f"the secret {place} is binary: store a text or a JSON object")
    fields = {"": text}
    try:
        document = json.loads(text)
    except ValueError:
        return fields
    if isinstance(document, dict):
        fields |= {key: value if isinstance(value, str) else json.dumps(value) for key, value in document.items()}
    return fields


@functools.cache
def _client() -> Any:  # Any: boto3 has no types
    try:
        boto3 = importlib.import_module("boto3")
    except ModuleNotFoundError as error:
        raise Missing("AWS Secrets Manager needs boto3: pip install 'automation-engine[aws]'") from error
    config = importlib.import_module("botocore.config").Config(
        connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, retries={"max_attempts": 2, "mode": "standard"}
    )
    return boto3.client("secretsmanager", config=config)


def _errors() -> Any:  # Any: botocore has no types
    try:
        return importlib.import_module("botocore.exceptions")
    except ModuleNotFoundError as error:
        raise Missing("AWS Secrets Manager needs boto3: pip install 'automation-engine[aws]'") from error


os.register_at_fork(after_in_child=forget)
