"""moto as the peer of `s3.get`, `s3.put` and `s3.list`; a door in front of it checks signatures and slows down."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, ClassVar

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug import Request, Response
from werkzeug.serving import BaseWSGIServer, make_server

from integrations.adapters.s3 import get, listing, put
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import SECRET, Case, Peer, settings

BUCKET = "orders"
KEY_ID, KEY = "AKIAORDERS", "k3y-of-the-bucket"


class Store:
    """moto's S3; keys that hold `slow-down` are answered with 503 SlowDown, unknown key ids with 403."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.port = int(self._server.server_port)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(120)
        self._server.server_close()

    def _answer(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        if "slow-down" in request.path:
            return _error("SlowDown", 503)(environ, start_response)
        if f"Credential={KEY_ID}/" not in request.headers.get("Authorization", ""):
            return _error("InvalidAccessKeyId", 403)(environ, start_response)
        return self._moto(environ, start_response)


def _error(code: str, status: int) -> Response:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return Response(body, status=status, content_type="application/xml")


class _S3Peer(Peer):
    """One bucket, and a prefix for each adapter."""

    extra = "s3"
    prefix: ClassVar[str]

    def set_up(self) -> None:
        self.services.once("bucket", lambda _: self.client().create_bucket(Bucket=BUCKET))

    @property
    def store(self) -> Store:
        """This will be the session's S3."""
        return self.services.once("s3", lambda _: Store(), end=lambda store: store.stop())

    def client(self) -> Any:
        """This will be boto3 as it is, beside the adapter."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=KEY,
        )

    @property
    def port(self) -> int:
        return self.store.port

    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        return settings(
            f"http://127.0.0.1:{port or self.port}",
            changes,
            options={"bucket": BUCKET, "access_key_id": KEY_ID, "path_style": True},
            secret_values={"secret_access_key": KEY},
        )

    def wrong_login(self) -> ConnectionSettings:
        options = {**self.connection().options, "access_key_id": "AKIANOBODY"}
        return self.connection(options=options, secret_values={"secret_access_key": SECRET})

    def throttled(self) -> Iterator[Case]:
        yield Case(inputs={**self.inputs(), "key": "slow-down"}, connection=self.connection())

    def effects(self) -> int:
        return int(self.client().list_objects_v2(Bucket=BUCKET, Prefix="put/").get("KeyCount", 0))


class Get(_S3Peer):
    """`s3.get` of an object that is there."""

    id = "s3.get"
    adapter = get
    cut_at = b"GET /orders/get/"

    def inputs(self) -> Mapping[str, object]:
        key = f"get/{self.unique()}"
        self.client().put_object(Bucket=BUCKET, Key=key, Body="grüße".encode())
        return {"key": key}

    def check(self, output: Any) -> None:
        assert output["content"] == "grüße"
        assert output["sha256"] == sha256("grüße".encode()).hexdigest()

    def wrong(self) -> Sequence[Case]:
        other = self.connection(options={**self.connection().options, "bucket": "other"})
        return (
            Case(inputs={"key": "none"}, connection=self.connection(), says="NoSuchKey"),
            Case(inputs={"key": "none"}, connection=other, says="NoSuchBucket"),
        )

    def too_large(self) -> Case:
        return Case(inputs=self.inputs(), connection=self.connection(max_response_bytes=3), says="3 bytes")


class Put(_S3Peer):
    """`s3.put` of a new object."""

    id = "s3.put"
    adapter = put
    changes = True
    cut_at = b"PUT /orders/put/"
    cut_answer = b"HTTP/1.1 200"

    def inputs(self) -> Mapping[str, object]:
        return {"key": f"put/{self.unique()}", "content": "grüße", "if_exists": "refuse", "content_type": "text/plain"}

    def check(self, output: Any) -> None:
        there = self.client().get_object(Bucket=BUCKET, Key=output["key"])
        assert there["Body"].read() == "grüße".encode()
        assert there["ContentType"] == "text/plain"
        assert there["ETag"] == output["etag"]

    def wrong(self) -> Sequence[Case]:
        self.client().put_object(Bucket=BUCKET, Key="there", Body=b"old")
        return (
            Case(
                inputs={"key": "there", "content": "new", "if_exists": "refuse"},
                connection=self.connection(),
                says="already",
            ),
        )


class Listing(_S3Peer):
    """`s3.list` of a prefix with three objects."""

    id = "s3.list"
    adapter = listing
    cut_at = b"GET /orders?"

    def set_up(self) -> None:
        super().set_up()
        for name in ("b", "a", "c"):
            self.client().put_object(Bucket=BUCKET, Key=f"list/{name}", Body=b"1234")

    def inputs(self) -> Mapping[str, object]:
        return {"prefix": "list/"}

    def check(self, output: Any) -> None:
        assert [item["key"] for item in output["objects"]] == ["list/a", "list/b", "list/c"]
        assert output["objects"][0]["size_bytes"] == 4

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={"prefix": "list/", "max_objects": 2}, connection=self.connection(), says="more than 2"),)

    def throttled(self) -> Iterator[Case]:
        options = {**self.connection().options, "bucket": "slow-down"}
        yield Case(inputs=self.inputs(), connection=self.connection(options=options))
