"""Steps that ask the slow server, for tests of I/O workers."""

from collections.abc import Mapping
from uuid import uuid4

from django.utils import timezone

from audit.events import Actor, ActorKind
from integrations import operations as integrations
from integrations.connections import ConnectionSpec
from tests.support.slow_server import SlowServer


def connection_to(server: SlowServer) -> str:
    """This will save a connection to the server, and give its name."""
    name = f"slow-{uuid4().hex[:12]}"
    spec = ConnectionSpec(name=name, base_url=f"http://127.0.0.1:{server.port}", allow_private=True)
    integrations.save_connection(
        spec=spec, actor=Actor(kind=ActorKind.SYSTEM, id="test"), now=timezone.now(), correlation_id="test"
    )
    return name


def request(connection: str, **more: object) -> Mapping[str, object]:
    """This will be a step on the lane `io` that sends a POST."""
    inputs = {"method": "POST", "path": "/work", "json": {}}
    return {"uses": "http.request", "connection": connection, "queue": "io", "with": inputs, **more}
