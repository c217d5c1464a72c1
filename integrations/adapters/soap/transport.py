"""How zeep reaches the outside: through our own HTTP client, with its guard, deadlines and limits; never a file."""

import base64
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
from zeep.transports import Transport

from integrations import http, http_semantics
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import Refused
from integrations.http_exchange import Limits, Outgoing, Response

_ANSWERS = frozenset({200, 202, 400, 500})
_EXCERPT_BYTES = 2_000


@dataclass(frozen=True)
class Call:
    """What the requests of one call may take, and what they carry."""

    connection: ConnectionSettings
    deadline: Deadline
    headers: Mapping[str, str]
    has_key: bool = False


current: ContextVar[Call] = ContextVar("current")


@dataclass(frozen=True)
class _Answer:
    """An answer as zeep reads one."""

    status_code: int
    content: bytes
    headers: Mapping[str, str]
    encoding: str | None = None


class GuardedTransport(Transport):
    """The transport of zeep without `requests`."""

    def __init__(self) -> None:
        super().__init__()
        self.session.close()  # nothing is sent with it

    def load(self, url: str) -> bytes:
        """This will fetch a WSDL or a schema. Raises Refused for all but HTTP: no file of a worker is read."""
        if not str(url).startswith(("http://", "https://")):
            raise Refused(f"the WSDL imports {url}, which is no http:// or https:// address")
        response = send("GET", str(url))
        if response.status != 200:
            raise http_semantics.failure_for(_answer("GET", response), now=datetime.now(UTC))
        return response.body

    def post(self, address: str, message: bytes | str, headers: Mapping[str, str]) -> _Answer:
        """This will send an envelope. Raises what an answer means that is no SOAP."""
        content = message.encode() if isinstance(message, str) else message
        response = send("POST", address, content=content, headers=headers)
        is_xml = "xml" in response.headers.get("content-type", "") or "multipart" in response.headers.get(
            "content-type", ""
        )
        if response.status not in _ANSWERS or (response.status != 200 and not is_xml):
            raise http_semantics.failure_for(_answer("POST", response), now=datetime.now(UTC))
        headers = {"Content-Type": response.headers.get("content-type", "text/xml")}
        return _Answer(response.status, response.body, headers)


def send(method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """This will send one request of the current call; what logs in goes to the service's own origin only."""
    call = current.get()
    connection = call.connection
    ours = call.headers if _is_same_origin(url, connection.base_url) else {}
    return http.send(
        Outgoing(
            method=method,
            url=url,
            headers={**{name.lower(): str(value) for name, value in (headers or {}).items()}, **ours},
            content=content,
            limits=Limits.of(connection, timeout_s=call.deadline.left_s),
        )
    )


def headers_of(connection: ConnectionSettings, *, key: str | None) -> Mapping[str, str]:
    """This will be the headers of all requests to a service."""
    made = {name.lower(): value for name, value in connection.headers.items()}
    user = connection.options.get("user")
    if isinstance(user, str) and connection.options.get("security", "basic") == "basic":
        pair = f"{user}:{connection.secret_values.get('password', '')}"
        made["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    if key is not None:
        made["idempotency-key"] = http_semantics.structured_string(key)
    return made


def _answer(method: str, response: Response) -> http_semantics.Answer:
    return http_semantics.Answer(
        method=method,
        status=response.status,
        headers=response.headers,
        excerpt=response.body[:_EXCERPT_BYTES].decode(errors="replace").replace("\0", "\ufffd"),
        sent_key=current.get().has_key,
    )


def _is_same_origin(url: str, base_url: str) -> bool:
    try:
        one, other = httpx2.URL(url), httpx2.URL(base_url)
    except httpx2.InvalidURL:
        return False
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)
