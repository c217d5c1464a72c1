"""The TLS of a connection: whom it trusts, and the certificate it shows (mTLS); never kept on disk."""

import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from integrations.contract import ConnectionSettings
from integrations.errors import Refused

SCHEMA: Mapping[str, object] = {
    "description": "Whom to trust instead of the authorities of the system. A certificate of ours is a secret.",
    "type": "object",
    "required": ["ca"],
    "additionalProperties": False,
    "properties": {"ca": {"type": "string", "pattern": "-----BEGIN CERTIFICATE-----", "description": "PEM."}},
}
SECRET_NAMES = ("client_certificate", "client_key")


@dataclass(frozen=True)
class ClientTls:
    """What is special about the TLS of a connection, in PEM; equal ones may share sockets, others never."""

    ca: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)

    @classmethod
    def of(cls, connection: ConnectionSettings) -> "ClientTls | None":
        """This will read it from a connection; None when nothing is special."""
        tls = connection.options.get("tls")
        ca = str(tls.get("ca", "")) if isinstance(tls, Mapping) else ""
        secrets = connection.secret_values
        made = cls(ca=ca, certificate=secrets.get("client_certificate", ""), key=secrets.get("client_key", ""))
        return None if made == cls() else made

    def context(self) -> ssl.SSLContext:
        """This will make the context. Raises Refused when certificate, key or authority cannot be read."""
        try:
            context = ssl.create_default_context(cadata=self.ca) if self.ca else httpx2.create_ssl_context()
        except ssl.SSLError as error:
            raise Refused("options.tls.ca of the connection is no PEM certificate") from error
        if self.certificate or self.key:
            with _for_a_moment(f"{self.certificate}\n{self.key}\n") as file:
                try:
                    # A key under a password would ask the terminal for it.
                    context.load_cert_chain(file, password=lambda: b"")
                except (ssl.SSLError, ValueError) as error:
                    raise Refused("client_certificate and client_key are no PEM certificate with its key") from error
        return context


@contextmanager
def _for_a_moment(text: str) -> Iterator[Path]:
    """OpenSSL reads certificates from files only: this one is ours alone, and goes as soon as it is read."""
    descriptor, name = tempfile.mkstemp(prefix="tls-")
    file = Path(name)
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text)
        yield file
    finally:
        file.unlink()
