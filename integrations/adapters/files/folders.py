"""Files below a folder, reached through descriptors of folders: no `..` and no link leads out of it."""

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from integrations import contents
from integrations.contract import ConnectionSettings
from integrations.errors import Refused, Unavailable
from integrations.plain import plain

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_TRANSIENT = frozenset({"ENOSPC", "EDQUOT", "EIO", "ESTALE", "EHOSTDOWN", "ETIMEDOUT", "EMFILE", "ENFILE", "EAGAIN"})


def read(path: str, *, connection: ConnectionSettings) -> bytes:
    """This will read a file. Raises Refused when it is no file or too large, Unavailable when the disk is away."""
    limit = connection.max_response_bytes
    with _failures(path), _parent(connection, path) as (folder, name):
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refused(f"{path} is no file")
            data = file.read(limit + 1)
    if len(data) > limit:
        raise Refused(f"{path} is larger than the {limit} bytes allowed", evidence={"max_response_bytes": limit})
    return data


def find(path: str, *, most: int, connection: ConnectionSettings) -> bytes | None:
    """This will read the first bytes of a file, one more than `most`; None when there is no such file."""
    try:
        with _failures(path), _parent(connection, path) as (folder, name):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(most + 1)
    except Refused as error:
        if error.evidence.get("error") == "ENOENT":
            return None
        raise


def write(path: str, data: bytes, *, connection: ConnectionSettings, key: str, may_replace: bool) -> None:
    """This will write a file as a whole: beside its place, and renamed when it is safe on the disk."""
    _root(connection)
    if connection.options.get("writable") is not True:
        raise Refused(f"connection {connection.name} is not writable: give it the option writable")
    with _failures(path), _parent(connection, path, make=True) as (folder, name):
        if not may_replace and _is_there(folder, name):
            if read(path, connection=connection) == data:
                return
            raise Refused(f"{path} is there already, with another content")
        temporary = contents.temporary_name(name, key=key)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o640, dir_fd=folder), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)


def listed(path: str, *, pattern: str, most: int, connection: ConnectionSettings) -> Sequence[Mapping[str, object]]:
    """This will list the files of a folder by name. Raises Refused when there are more than `most`."""
    found: list[Mapping[str, object]] = []
    with _failures(path or "the folder"), _folder(connection, path) as folder, os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False) or not fnmatch.fnmatchcase(entry.name, pattern):
                continue
            if len(found) == most:
                raise Refused(f"there are more than {most} files: narrow the pattern, or raise max_files")
            about = entry.stat(follow_symlinks=False)
            changed_at = datetime.fromtimestamp(about.st_mtime, tz=UTC).isoformat()
            name = str(PurePosixPath(path, entry.name))
            found.append({"path": plain(name), "size_bytes": about.st_size, "modified_at": changed_at})
    return sorted(found, key=lambda file: str(file["path"]))


def described(connection: ConnectionSettings) -> str:
    """This will say that the folder is there. Raises Refused or Unavailable when it is not, or not writable."""
    with _failures("the folder"), _folder(connection, "") as folder:
        wants = os.R_OK | (os.W_OK if connection.options.get("writable") is True else 0)
        if not os.access(".", wants, dir_fd=folder):
            raise Refused("this worker has no right to use the folder")
    return "the folder is there"


@contextmanager
def _parent(connection: ConnectionSettings, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    folder, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        raise Refused(f"{path!r} is no path of a file")
    with _folder(connection, folder, make=make) as descriptor:
        yield descriptor, name


@contextmanager
def _folder(connection: ConnectionSettings, path: str, *, make: bool = False) -> Iterator[int]:
    """A descriptor of a folder, reached step by step without following a link."""
    try:
        descriptor = os.open(_root(connection), _FOLDER)
    except OSError as error:
        raise Unavailable(f"the folder of connection {connection.name} is not there: {error.strerror}") from error
    try:
        for part in filter(None, path.split("/")):
            if part in (".", ".."):
                raise Refused(f"the path {path!r} holds a '.' or '..': write the path that is meant")
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o750, dir_fd=descriptor)
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _root(connection: ConnectionSettings) -> str:
    parts = urlsplit(connection.base_url)
    root = unquote(parts.path)
    if parts.scheme != "file" or parts.netloc or not root.startswith("/") or root == "/":
        raise Refused(f"the base URL of connection {connection.name} must be file:/// and a folder, not the root")
    return root


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """What the system says, as far as the next attempt is concerned."""
    try:
        yield
    except OSError as error:
        name = os.strerror(error.errno or 0)
        code = _code(error)
        kind = Unavailable if code in _TRANSIENT else Refused
        raise kind(f"{what}: {name}", evidence={"error": code}) from error


def _code(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")
