"""The benchmark's way into the API: a token that may start runs, and the request that starts one."""

from datetime import timedelta

from django.utils import timezone

from automation import operations
from benchmarks import definitions, engine
from benchmarks.http_client import KeepAliveClient
from workflows.access import Scope

_PATH = "/api/v1/runs"
_LIFE = timedelta(days=1)


def connect(port: int) -> KeepAliveClient:
    """This will open a connection to our web server with a token made for it."""
    now = timezone.now()
    _, plain = operations.create_token(
        name=f"benchmarks {now.isoformat()}",
        scopes=[Scope.RUNS_WRITE],
        expires_at=now + _LIFE,
        actor=engine.ACTOR,
        now=now,
    )
    return KeepAliveClient(port=port, token=plain)


def start_request(client: KeepAliveClient) -> bytes:
    """This will be the request that starts a run of one step."""
    return client.request(path=_PATH, document={"workflow": definitions.START, "input": None})
