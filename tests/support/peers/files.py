"""A folder as the peer of `file.read`, `file.write` and `file.list`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from integrations.adapters.files import listing, read, write
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import Case, Peer, settings


class _FilePeer(Peer):
    """One folder for each adapter, with a secret file beside it and a link to that."""

    has_network = False

    def set_up(self) -> None:
        self.root.mkdir()
        (self.root.parent / "secret").write_text("not yours")
        (self.root / "link").symlink_to(self.root.parent / "secret")
        (self.root / "way").symlink_to(self.root.parent)

    @property
    def root(self) -> Path:
        """This will be the folder of the connection."""
        return self.services.once(f"files-{self.id}", lambda folder: folder) / "root"

    @property
    def port(self) -> int:
        return 0

    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        folder = self.root if port is None else self.root / "none"
        return settings(f"file://{folder}", changes, options={"writable": True})


class Read(_FilePeer):
    """`file.read` of a file that is there."""

    id = "file.read"
    adapter = read

    def inputs(self) -> Mapping[str, object]:
        path = self.root / "in" / self.unique()
        path.parent.mkdir(exist_ok=True)
        path.write_text("grüße")
        return {"path": f"in/{path.name}"}

    def check(self, output: Any) -> None:
        assert output["content"] == "grüße"

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        return (
            Case(inputs={"path": "none"}, connection=works, says="no such file"),
            Case(inputs={"path": "in"}, connection=works, says="directory"),
            Case(inputs={"path": "../secret"}, connection=works, says="'..'"),
            Case(inputs={"path": "in/../../secret"}, connection=works, says="'..'"),
            Case(inputs={"path": "link"}, connection=works, says="symbolic links"),
            Case(inputs={"path": "way/secret"}, connection=works, says="directory"),
        )

    def too_large(self) -> Case:
        return Case(inputs=self.inputs(), connection=self.connection(max_response_bytes=3), says="3 bytes")


class Write(_FilePeer):
    """`file.write` of a new file in a new folder."""

    id = "file.write"
    adapter = write
    changes = True

    def inputs(self) -> Mapping[str, object]:
        return {"path": f"{self.unique()}/file.done", "content": "grüße", "if_exists": "refuse"}

    def check(self, output: Any) -> None:
        assert (self.root / output["path"]).read_text() == "grüße"
        assert not list(self.root.glob("*/.*"))

    def effects(self) -> int:
        return len(list(self.root.glob("*/*.done")))

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        (self.root / "there").write_text("old")
        return (
            Case(inputs={"path": "x", "content": ""}, connection=self.connection(options={}), says="not writable"),
            Case(inputs={"path": "../x", "content": ""}, connection=works, says="'..'"),
            Case(inputs={"path": "way/x", "content": ""}, connection=works, says="directory"),
            Case(inputs={"path": "there", "content": "new", "if_exists": "refuse"}, connection=works, says="already"),
        )


class Listing(_FilePeer):
    """`file.list` of a folder with two files that fit and one that does not."""

    id = "file.list"
    adapter = listing

    def set_up(self) -> None:
        super().set_up()
        (self.root / "in").mkdir()
        for name in ("b.csv", "a.csv", "c.txt"):
            (self.root / "in" / name).write_text(name)

    def inputs(self) -> Mapping[str, object]:
        return {"path": "in", "pattern": "*.csv"}

    def check(self, output: Any) -> None:
        assert [file["path"] for file in output["files"]] == ["in/a.csv", "in/b.csv"]
        assert output["files"][0]["size_bytes"] == 5

    def wrong(self) -> Sequence[Case]:
        return (
            Case(inputs={"path": "in", "max_files": 1}, connection=self.connection(), says="more than 1"),
            Case(inputs={"path": "way"}, connection=self.connection(), says="directory"),
        )
