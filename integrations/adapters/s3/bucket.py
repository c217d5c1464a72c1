"""Objects of a bucket; boto3 signs the requests and reads the answers, our own HTTP client sends them.

So S3 has the same guard, deadlines and limits as every HTTP call, and nothing of the worker's own AWS configuration
or role is used.
"""

import functools
import io
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import boto3
import botocore
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from integrations import contents, endpoints, http
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import CallFailed, Denied, Refused, Throttled, Unavailable, Unknown
from integrations.http_exchange import Limits, Outgoing

_SCHEMES: Mapping[str, int] = {"http": 80, "https": 443}
_THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})
_TRANSIENT = frozenset({"RequestTimeout", "ServiceUnavailable", "ConditionalRequestConflict", "OperationAborted"})
_DENIED = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"})
_EXISTS = "PreconditionFailed"
_KEY_METADATA = "automation-key"
_PAGE = 1_000

_Client = Any
"""boto3 makes its clients while it runs: there is no type to name."""


@dataclass(frozen=True)
class _Call:
    """What the request that is about to be sent may take."""

    connection: ConnectionSettings
    deadline: Deadline


_current: ContextVar[_Call] = ContextVar("current")
_clients: dict[str, tuple[ConnectionSettings, _Client]] = {}
_making = threading.Lock()


def get(*, key: str, connection: ConnectionSettings, timeout_s: float) -> tuple[bytes, Mapping[str, object]]:
    """This will read an object, with what is known about it."""
    with _calling(connection, timeout_s=timeout_s, changes=False) as client:
        answer = client.get_object(Bucket=_bucket(connection), Key=key)
        data = answer["Body"].read()
    about = {"etag": answer["ETag"], "modified_at": answer["LastModified"].isoformat()}
    return data, {**about, "content_type": answer.get("ContentType", "")}


def put(
    *,
    key: str,
    data: bytes,
    content_type: str,
    connection: ConnectionSettings,
    timeout_s: float,
    call_key: str,
    may_replace: bool,
) -> str:
    """This will write an object and give its ETag; one that is there is left when it may not be replaced.

    An object of the same call is its own repetition, and no conflict.
    """
    mark = _mark(call_key)
    with _calling(connection, timeout_s=timeout_s, changes=True) as client:
        condition: dict[str, Any] = {} if may_replace else {"IfNoneMatch": "*"}  # Any: keywords
        try:
            answer = client.put_object(
                Bucket=_bucket(connection),
                Key=key,
                Body=data,
                ContentType=content_type,
                Metadata={_KEY_METADATA: mark},
                **condition,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _EXISTS:
                raise
            there = client.head_object(Bucket=_bucket(connection), Key=key)
            if there["Metadata"].get(_KEY_METADATA) == mark:
                return str(there["ETag"])
            raise Refused(f"{key} is there already, and this call did not write it") from error
    return str(answer["ETag"])


@dataclass(frozen=True)
class There:
    """An object that is there: its ETag, and the mark of the call that wrote it, empty when it was none of ours."""

    etag: str
    mark: str

    def is_of(self, call_key: str) -> bool:
        """This will tell whether the call with this key wrote it."""
        return self.mark == _mark(call_key)


def find(*, key: str, connection: ConnectionSettings, timeout_s: float) -> There | None:
    """This will ask for an object without its content; None when there is none."""
    with _calling(connection, timeout_s=timeout_s, changes=False) as client:
        try:
            answer = client.head_object(Bucket=_bucket(connection), Key=key)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
                raise
            return None
    return There(etag=str(answer["ETag"]), mark=answer["Metadata"].get(_KEY_METADATA, ""))


def _mark(call_key: str) -> str:
    return contents.digest(call_key.encode())


def listed(
    *, prefix: str, most: int, connection: ConnectionSettings, timeout_s: float
) -> Sequence[Mapping[str, object]]:
    """This will list objects by key. Raises Refused when there are more than `most`."""
    found: list[Mapping[str, object]] = []
    more: dict[str, Any] = {}  # Any: keywords
    with _calling(connection, timeout_s=timeout_s, changes=False) as client:
        while True:
            answer = client.list_objects_v2(
                Bucket=_bucket(connection), Prefix=prefix, MaxKeys=min(_PAGE, most + 1), **more
            )
            for item in answer.get("Contents", ()):
                if len(found) == most:
                    raise Refused(f"there are more than {most} objects: narrow the prefix, or raise max_objects")
                at = item["LastModified"].isoformat()
                found.append({"key": item["Key"], "size_bytes": item["Size"], "etag": item["ETag"], "modified_at": at})
            if not answer["IsTruncated"]:
                return found
            more = {"ContinuationToken": answer["NextContinuationToken"]}


def described(connection: ConnectionSettings, *, timeout_s: float) -> str:
    """This will ask for one name in the bucket."""
    with _calling(connection, timeout_s=timeout_s, changes=False) as client:
        client.list_objects_v2(Bucket=_bucket(connection), MaxKeys=1)
    return "the bucket is there"


@contextmanager
def _calling(connection: ConnectionSettings, *, timeout_s: float, changes: bool) -> Iterator[_Client]:
    """A client whose requests keep the deadline of the call, and what their failures mean."""
    token = _current.set(_Call(connection, Deadline.after(timeout_s)))
    try:
        yield _client(connection)
    except Unknown as error:
        kind = Unknown if changes else Unavailable
        raise kind(error.message, evidence=error.evidence) from error
    except ClientError as error:
        raise _failure(error, changes=changes) from error
    except BotoCoreError as error:
        raise Refused(f"S3 cannot be asked that: {error}") from error
    finally:
        _current.reset(token)


def _failure(error: ClientError, *, changes: bool) -> CallFailed:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = error.response.get("Error", {}).get("Message", "")
    text, evidence = f"S3 answered {status} {code}: {said}"[:500], {"status": status, "code": code}
    if code in _DENIED:
        return Denied(text, evidence=evidence)
    if code in _THROTTLED or status == 429:
        return Throttled(text, evidence=evidence)
    if code in _TRANSIENT or status == 503:
        return Unavailable(text, evidence=evidence)
    if status >= 500:
        return Unknown(text, evidence=evidence) if changes else Unavailable(text, evidence=evidence)
    return Refused(text, evidence=evidence)


def _client(connection: ConnectionSettings) -> _Client:
    with _making:
        settings, client = _clients.get(connection.name, (None, None))
        if client is None or settings != connection:
            client = _made(connection)
            _clients[connection.name] = (connection, client)
        return client


def _made(connection: ConnectionSettings) -> _Client:
    endpoints.endpoint(connection, schemes=_SCHEMES)
    options, secrets = connection.options, connection.secret_values
    client = _session().client(
        "s3",
        endpoint_url=connection.base_url,
        region_name=str(options.get("region", "us-east-1")),
        aws_access_key_id=str(options.get("access_key_id", "")) or None,
        aws_secret_access_key=secrets.get("secret_access_key"),
        aws_session_token=secrets.get("session_token"),
        config=Config(
            signature_version="s3v4" if "access_key_id" in options else botocore.UNSIGNED,
            s3={"addressing_style": "path" if options.get("path_style") else "virtual"},
            retries={"total_max_attempts": 1, "mode": "standard"},  # repetitions are decided by the engine
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,
            proxies={},
        ),
    )
    client.meta.events.register("before-send.s3", _send)
    return client


@functools.cache
def _session() -> Any:
    """One for all clients: it reads the description of S3 once, which takes a third of a second."""
    return boto3.Session()


def _send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    """botocore takes what this handler returns for the answer, and sends nothing itself."""
    call = _current.get()
    body = request.body
    content = body.read() if hasattr(body, "read") else body
    response = http.send(
        Outgoing(
            method=str(request.method),
            url=str(request.url),
            headers={
                name.lower(): _text(value)
                for name, value in request.headers.items()
                if name.lower() != "expect"  # the body is sent at once: nobody waits for "100 Continue"
            },
            content=content.encode() if isinstance(content, str) else content,
            limits=Limits.of(call.connection, timeout_s=call.deadline.left_s),
        )
    )
    return AWSResponse(str(request.url), response.status, dict(response.headers), _Raw(response.body))


class _Raw(io.BytesIO):
    """A body that has arrived, as botocore reads one."""

    def stream(self, amount: int = 65_536, **_: object) -> Iterator[bytes]:
        """This will give it in parts."""
        while part := self.read(amount):
            yield part


def _bucket(connection: ConnectionSettings) -> str:
    return str(connection.options.get("bucket", ""))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


os.register_at_fork(after_in_child=_clients.clear)
