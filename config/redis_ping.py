"""Asks Redis or Valkey whether it answers, in its own protocol (RESP 2); it is no client and keeps no connection.

The web process only ever asks this, and the client's library would cost it many megabytes for that.
"""

import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_PORT = 6379


def answers(url: str, *, limit_s: float) -> bool:
    """This will tell whether the server behind a redis, rediss or unix URL takes our password and answers."""
    parts = urlsplit(url)
    login = [unquote(part) for part in (parts.username, parts.password) if part]
    asked = [(_command("AUTH", *login), b"+OK\r\n")] if parts.password else []
    asked.append((_command("PING"), b"+PONG\r\n"))
    try:
        with _opened(parts, limit_s=limit_s) as link, link.makefile("rb") as replies:
            link.sendall(b"".join(command for command, _ in asked))
            return all(replies.readline(100) == expected for _, expected in asked)
    except OSError:
        return False


def _command(*words: str) -> bytes:
    r"""Words as an array of bulk strings.

    >>> _command("PING")
    b'*1\r\n$4\r\nPING\r\n'
    """
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def _opened(parts: SplitResult, *, limit_s: float) -> socket.socket:
    if parts.scheme == "unix":
        return _connected(socket.socket(socket.AF_UNIX), path=parts.path, limit_s=limit_s)
    host = parts.hostname or "localhost"
    link = socket.create_connection((host, parts.port or _PORT), timeout=limit_s)
    if parts.scheme == "rediss":
        return _tls(dict(parse_qsl(parts.query))).wrap_socket(link, server_hostname=host)
    return link


def _connected(link: socket.socket, *, path: str, limit_s: float) -> socket.socket:
    try:
        link.settimeout(limit_s)
        link.connect(path)
    except OSError:
        link.close()
        raise
    return link


def _tls(options: Mapping[str, str]) -> ssl.SSLContext:
    """The options of redis-py's URLs that say whom to trust."""
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
