"""SSH connections on an event loop, one for each call; a host whose key is not known is refused before any login.

Nothing of the user who runs the worker is used: no configuration, no agent, no keys.
"""

import asyncio
import base64
import binascii
import posixpath
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncssh

from integrations import contents, endpoints, endpoints_async
from integrations.adapters.ssh.kind import SCHEMES
from integrations.contract import ConnectionSettings, LookUp
from integrations.errors import CallFailed, Denied, Refused, Throttled, Unavailable, Unknown

_EXCERPT = 2_000
_CHUNK_BYTES = 65_536
_KEY_VARIABLE = "AUTOMATION_IDEMPOTENCY_KEY"
_SHORTAGE = asyncssh.OPEN_RESOURCE_SHORTAGE
_FULL = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded, asyncssh.SFTPLockConflict)


@dataclass
class Progress:
    """How far a call has come: whether it may have changed something, and whether it may then be repeated."""

    repeatable: bool
    has_begun: bool = False

    def interrupted(self, text: str) -> CallFailed:
        """This will judge a call whose end nobody has seen."""
        if self.has_begun:
            return Unknown(f"{text}, after it had begun", repeatable=self.repeatable)
        return Unavailable(f"{text}, before it had begun")


async def version(*, connection: ConnectionSettings, timeout_s: float) -> str:
    """This will log in and ask nothing."""
    async with _session(connection, timeout_s=timeout_s, progress=Progress(repeatable=True)) as session:
        return str(session.get_extra_info("server_version"))


async def run(
    *, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float, key: str, repeatable: bool
) -> Mapping[str, object]:
    """This will run a command and read what it writes, no more than is allowed."""
    progress = Progress(repeatable=repeatable)
    async with _session(connection, timeout_s=timeout_s, progress=progress) as session:
        progress.has_begun = True
        process = await session.create_process(_command(inputs, key=key), encoding=None)
        with suppress(BrokenPipeError):  # a command need not read what it is given
            process.stdin.write(str(inputs.get("stdin", "")).encode())
            process.stdin.write_eof()
        room = _Room(connection.max_response_bytes)
        stdout, stderr = await asyncio.gather(_read(process.stdout, room=room), _read(process.stderr, room=room))
        await process.wait_closed()
    return _ended(process, inputs=inputs, stdout=stdout, stderr=stderr, progress=progress)


async def get(*, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float) -> object:
    """This will read a file."""
    path, limit = str(inputs["path"]), connection.max_response_bytes
    async with (
        _session(connection, timeout_s=timeout_s, progress=Progress(repeatable=True)) as session,
        session.start_sftp_client() as files,
        files.open(path, "rb") as file,
    ):
        data = _bytes(await file.read(limit + 1))
    if len(data) > limit:
        raise Refused(f"{path} is larger than the {limit} bytes allowed", evidence={"max_response_bytes": limit})
    content = contents.encoded(data, inputs=inputs, what=path)
    return {"path": path, "size_bytes": len(data), "sha256": contents.digest(data), "content": content}


async def put(
    *, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float, key: str
) -> Mapping[str, object]:
    """This will write a file under another name, and rename it when it is complete."""
    path, data = str(inputs["path"]), contents.decoded(inputs)
    folder, name = posixpath.split(path)
    temporary = posixpath.join(folder, contents.temporary_name(name, key=key))
    progress = Progress(repeatable=True)
    output = _output(path, data)
    async with (
        _session(connection, timeout_s=timeout_s, progress=progress) as session,
        session.start_sftp_client() as files,
    ):
        if inputs.get("if_exists") == "refuse" and await files.exists(path):
            async with files.open(path, "rb") as there:
                if _bytes(await there.read(len(data) + 1)) == data:
                    return output
            raise Refused(f"{path} is there already, with another content")
        async with files.open(temporary, "wb") as file:
            for at in range(0, len(data), _CHUNK_BYTES):
                await file.write(data[at : at + _CHUNK_BYTES])
        progress.has_begun = True
        await files.posix_rename(temporary, path)
    return output


async def find(*, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float) -> LookUp:
    """This will find out whether a file is there as `put` would leave it."""
    path, data = str(inputs["path"]), contents.decoded(inputs)
    there: bytes | None = None
    async with (
        _session(connection, timeout_s=timeout_s, progress=Progress(repeatable=True)) as session,
        session.start_sftp_client() as files,
    ):
        with suppress(asyncssh.SFTPNoSuchFile):
            async with files.open(path, "rb") as file:
                there = _bytes(await file.read(len(data) + 1))
    return contents.verdict(there, wanted=data, output=_output(path, data))


def _output(path: str, data: bytes) -> Mapping[str, object]:
    return {"path": path, "size_bytes": len(data), "sha256": contents.digest(data)}


@asynccontextmanager
async def _session(
    connection: ConnectionSettings, *, timeout_s: float, progress: Progress
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A login, and what becomes of a call that fails in it."""
    session = None
    try:
        async with asyncio.timeout(timeout_s):
            session = await _login(connection, timeout_s=timeout_s)
            yield session
    except (TimeoutError, ConnectionError, asyncssh.Error) as error:
        raise _failure(error, progress=progress) from error
    finally:
        if session is not None:
            session.abort()


def _failure(error: Exception, *, progress: Progress) -> CallFailed:
    """What a failure in a session means; one whose end nobody saw depends on how far it had come."""
    match error:
        case TimeoutError():
            return progress.interrupted("the time was over")
        case (
            ConnectionError() | asyncssh.ConnectionLost() | asyncssh.SFTPConnectionLost() | asyncssh.SFTPNoConnection()
        ):
            return progress.interrupted(f"the connection broke: {error}")
        case asyncssh.PermissionDenied():
            return Denied(f"the host did not let us in: {error.reason}")
        case asyncssh.HostKeyNotVerifiable() | asyncssh.KeyExchangeFailed():
            return Refused(f"the host is not the one we know: {error.reason}")
        case asyncssh.ChannelOpenError():
            kind = Throttled if error.code == _SHORTAGE else Refused
            return kind(f"the host opens no session: {error.reason}")
        case asyncssh.SFTPError():
            kind_of_file = Unavailable if isinstance(error, _FULL) else Refused
            return kind_of_file(f"the host did not do it: {error.reason}", evidence={"code": error.code})
        case asyncssh.DisconnectError(code=asyncssh.DISC_TOO_MANY_CONNECTIONS):
            return Throttled(error.reason)
        case _:
            return progress.interrupted(str(error))


async def _login(connection: ConnectionSettings, *, timeout_s: float) -> asyncssh.SSHClientConnection:
    target = endpoints.endpoint(connection, schemes=SCHEMES)
    secrets = connection.secret_values
    keys, trusted = _client_keys(connection), _host_keys(connection)
    opened = await endpoints_async.connect(target, connection=connection, timeout_s=timeout_s)
    try:
        return await asyncssh.connect(
            target.host,
            target.port,
            sock=opened,
            username=str(connection.options["user"]),
            password=secrets.get("password"),
            client_keys=keys,
            known_hosts=(trusted, [], []),
            agent_path=None,
            config=None,
            gss_auth=False,
            gss_kex=False,
            login_timeout=min(timeout_s, connection.connect_timeout_s),
            keepalive_interval=15,
        )
    except BaseException:
        opened.close()
        raise


def _host_keys(connection: ConnectionSettings) -> list[asyncssh.SSHKey]:
    lines = connection.options.get("host_keys")
    try:
        return [asyncssh.import_public_key(str(line)) for line in (lines if isinstance(lines, Sequence) else ())]
    except asyncssh.KeyImportError as error:
        raise Refused(f"options/host_keys of connection {connection.name} holds no public key: {error}") from error


def _client_keys(connection: ConnectionSettings) -> list[asyncssh.SSHKey] | None:
    text = connection.secret_values.get("private_key")
    if not text:
        return None
    try:
        pem = text if text.startswith("-----") else base64.b64decode(text, validate=True).decode()
        return [asyncssh.import_private_key(pem, passphrase=connection.secret_values.get("passphrase"))]
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, binascii.Error, UnicodeDecodeError):
        # The error may repeat a part of the key.
        raise Refused(
            f"the secret private_key of connection {connection.name} is no key, or needs a passphrase"
        ) from None


def _command(inputs: Mapping[str, object], *, key: str) -> str:
    args = inputs.get("args")
    words = [
        str(word).lower() if isinstance(word, bool) else str(word) for word in (args if isinstance(args, list) else ())
    ]
    command = " ".join([str(inputs["command"]), *map(shlex.quote, words)])
    if inputs.get("idempotency") == "key":
        return f"export {_KEY_VARIABLE}={shlex.quote(key)}; {command}"
    return command


class _Room:
    """How many bytes all streams of a command may still bring."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Refused(
                f"the command ran, and writes more than the {self._limit} bytes allowed",
                evidence={"happened": True, "max_response_bytes": self._limit},
            )


async def _read(stream: "asyncssh.SSHReader[bytes]", *, room: _Room) -> str:
    data = bytearray()
    while part := await stream.read(_CHUNK_BYTES):
        room.take(len(part))
        data += part
    return data.decode(errors="replace").replace("\0", "\ufffd")


def _bytes(data: bytes | str) -> bytes:
    """A file that was opened as binary gives bytes; its type says both."""
    return data.encode() if isinstance(data, str) else data


def _ended(
    process: "asyncssh.SSHClientProcess[bytes]",
    *,
    inputs: Mapping[str, object],
    stdout: str,
    stderr: str,
    progress: Progress,
) -> Mapping[str, object]:
    status, signal = process.exit_status, process.exit_signal
    evidence = {"exit_status": status, "stdout": stdout[:_EXCERPT], "stderr": stderr[:_EXCERPT]}
    if status is None or signal is not None:
        how = f"was ended by the signal {signal[0]}" if signal else "ended without an exit code"
        raise Unknown(f"the command {how}", evidence=evidence, repeatable=progress.repeatable)
    if status in _codes(inputs, "expect_exit", standard=0):
        return {"exit_status": status, "stdout": stdout, "stderr": stderr}
    text = f"the command ended with exit code {status}"
    if status in _codes(inputs, "retry_exit", standard=75):
        raise Unavailable(text, evidence=evidence)
    raise Refused(text, evidence={**evidence, "happened": True})


def _codes(inputs: Mapping[str, object], name: str, *, standard: int) -> Sequence[object]:
    codes = inputs.get(name)
    return codes if isinstance(codes, list) else [standard]
