"""Operations of SOAP services; what a WSDL says is kept for an hour, or until its connection changes."""

import io
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lxml import etree
from zeep import Client, Settings
from zeep.exceptions import Error, Fault, TransportError
from zeep.helpers import serialize_object
from zeep.wsse.username import UsernameToken

from integrations import endpoints
from integrations.adapters.soap import transport
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import CallFailed, Denied, Refused, Unavailable, Unknown
from integrations.plain import plain

_SCHEMES: Mapping[str, int] = {"http": 80, "https": 443}
_KEPT_S = 3_600.0
_BLAMES_US = ("client", "sender", "versionmismatch", "mustunderstand", "dataencodingunknown")
_EXCERPT = 2_000

_kept: dict[str, tuple[float, ConnectionSettings, Client]] = {}
_making = threading.Lock()


def call(
    *, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float, key: str, repeatable: bool
) -> Mapping[str, object]:
    """This will call an operation."""
    sent_key = key if inputs.get("idempotency") == "header" else None
    name = str(inputs["operation"])
    arguments = inputs.get("arguments")
    with _current(connection, timeout_s=timeout_s, key=sent_key):
        client = _client(connection)
        service, operations = _service(client, connection)
        if name not in operations:
            raise Refused(f"the service has no operation {name!r}: it has {', '.join(sorted(operations))}")
        try:
            result = service[name](**(arguments if isinstance(arguments, Mapping) else {}))
        except Fault as fault:
            raise _verdict(fault, declared=operations[name].fault_messages, repeatable=repeatable) from fault
        except TransportError as error:
            raise Unknown(f"the answer is no SOAP: {str(error)[:300]}", repeatable=repeatable) from error
        except Unknown as error:
            raise Unknown(error.message, evidence=error.evidence, repeatable=repeatable) from error
        except (Error, TypeError, ValueError, etree.LxmlError) as error:
            raise Refused(f"with/arguments do not fit the operation {name}: {error}") from error
    return {"result": plain(_texts(serialize_object(result, dict)))}


def described(connection: ConnectionSettings, *, timeout_s: float) -> str:
    """This will say how many operations there are, and whether the service lets us in."""
    with _current(connection, timeout_s=timeout_s, key=None):
        _, operations = _service(_client(connection), connection)
        answer = transport.send("OPTIONS", connection.base_url)
        if answer.status in (401, 403):
            raise Denied(f"the service does not let us in: status {answer.status}")
        if answer.status >= 500 and answer.status != 501:
            raise Unavailable(f"the service answers with status {answer.status}")
    return f"it has {len(operations)} operations"


@contextmanager
def _current(connection: ConnectionSettings, *, timeout_s: float, key: str | None) -> Iterator[None]:
    endpoints.endpoint(connection, schemes=_SCHEMES)
    headers = transport.headers_of(connection, key=key)
    made = transport.Call(connection, Deadline.after(timeout_s), headers, has_key=key is not None)
    token = transport.current.set(made)
    try:
        yield
    finally:
        transport.current.reset(token)


def _client(connection: ConnectionSettings) -> Client:
    with _making:
        until, settings, client = _kept.get(connection.name, (0.0, None, None))
        if client is None or settings != connection or time.monotonic() >= until:
            client = _read(connection)
            _kept[connection.name] = (time.monotonic() + _KEPT_S, connection, client)
        return client


def _read(connection: ConnectionSettings) -> Client:
    """Reading a WSDL changes nothing, whatever becomes of it."""
    options = connection.options
    given = options.get("wsdl")
    source = io.BytesIO(given.encode()) if isinstance(given, str) else str(options.get("wsdl_url", ""))
    wsse = None
    if options.get("security") == "username_token":
        wsse = UsernameToken(str(options.get("user", "")), connection.secret_values.get("password"), use_digest=True)
    rules = Settings(strict=True, xml_huge_tree=False, forbid_dtd=True, forbid_entities=True, forbid_external=False)
    try:
        return Client(source, transport=transport.GuardedTransport(), settings=rules, wsse=wsse)
    except Unknown as error:
        raise Unavailable(f"the WSDL did not come: {error.message}", evidence=error.evidence) from error
    except CallFailed:
        raise
    except Exception as error:  # whatever zeep meets in what it was given
        raise Refused(f"the WSDL of connection {connection.name} cannot be used: {error}"[:500]) from error


def _service(client: Client, connection: ConnectionSettings) -> tuple[Any, Mapping[str, Any]]:
    """The operations by name, with what calls them. Any: zeep publishes no types."""
    services, wanted = client.wsdl.services, connection.options.get("service")
    service = services.get(wanted) if wanted else next(iter(services.values()), None)
    if service is None:
        raise Refused(f"the WSDL has no service {wanted or 'at all'}: it has {', '.join(services) or 'none'}")
    port_name = connection.options.get("port")
    port = service.ports.get(port_name) if port_name else next(iter(service.ports.values()), None)
    if port is None:
        raise Refused(f"the service has no port {port_name or 'at all'}: it has {', '.join(service.ports) or 'none'}")
    operations = {name: operation.abstract for name, operation in port.binding.all().items()}
    return client.create_service(port.binding.name, connection.base_url), operations


def _verdict(fault: Fault, *, declared: Mapping[str, Any], repeatable: bool) -> CallFailed:
    """A declared fault is the operation's own no; any other than that and our own mistakes leaves the outcome open."""
    code = str(fault.code or "").rpartition(":")[2]
    detail = "" if fault.detail is None else etree.tostring(fault.detail, encoding="unicode")[:_EXCERPT]
    text = f"the service answered with the fault {code}: {fault.message}"[:500]
    evidence = {"code": code, "detail": detail}
    names = {part.element.name for message in declared.values() for part in message.parts.values() if part.element}
    is_declared = fault.detail is not None and any(etree.QName(child).localname in names for child in fault.detail)
    if is_declared or code.lower().startswith(_BLAMES_US):
        return Refused(text, evidence=evidence)
    return Unknown(text, evidence=evidence, repeatable=repeatable)


def _texts(value: object) -> object:
    """Elements of any type are left as XML."""
    if isinstance(value, etree._Element):
        return etree.tostring(value, encoding="unicode")
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return value


os.register_at_fork(after_in_child=_kept.clear)
