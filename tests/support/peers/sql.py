"""PostgreSQL and MariaDB as peers of `sql.query` and `sql.execute`."""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql

from config.servers.binaries import find_mariadb
from config.servers.ports import free_port
from integrations.adapters.sql import execute, query
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import SECRET, Case, Peer, Services, settings
from tests.support.peers.mariadb import LIMITED, MariaDB

_TABLE = "peer_orders"
_KEYS = "peer_keys"
_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {_TABLE} (word VARCHAR(100) PRIMARY KEY, amount DECIMAL(10, 2))",
    f"CREATE TABLE IF NOT EXISTS {_KEYS} (idempotency_key VARCHAR(255) PRIMARY KEY, output TEXT NOT NULL)",
)


def mariadb(services: Services) -> MariaDB:
    """This will be the session's MariaDB, which the tests start themselves."""

    def make(folder: Path) -> MariaDB:
        server = MariaDB(
            directory=folder,
            guard=services.guard,
            binary=find_mariadb(),
            port=free_port(),
            password=secrets.token_hex(8),
        )
        server.start()
        return server

    return services.once("mariadb", make, end=lambda server: server.kill())


class _SqlPeer(Peer):
    """What both databases share: a table of orders and one of keys."""

    extra = "sql"
    slow = ""

    def set_up(self) -> None:
        for statement in _CREATE:
            self.ask(statement)

    @property
    def url(self) -> str:
        """This will be the URL of the real database, password included."""
        raise NotImplementedError

    def ask(self, statement: str) -> Sequence[Sequence[Any]]:  # Any: values of a database
        """This will execute a statement beside the adapter."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        parts = urlsplit(self.url)
        options = {
            "database": parts.path.strip("/"),
            "user": parts.username,
            "tls": "off",
            "keys_table": _KEYS,
        }
        return settings(
            f"{parts.scheme}://127.0.0.1:{port or parts.port}",
            changes,
            options=options,
            secret_values={"password": parts.password},
        )

    def wrong_login(self) -> ConnectionSettings:
        return self.connection(secret_values={"password": SECRET})

    def too_large(self) -> Case:
        return Case(
            inputs={"sql": "SELECT REPEAT('x', 5000) AS x"},
            connection=self.connection(max_response_bytes=1000),
            says="1000 bytes",
        )


class _Postgres(_SqlPeer):
    slow = "SELECT pg_sleep(10)"

    @property
    def url(self) -> str:
        return os.environ["DATABASE_URL"]

    def ask(self, statement: str) -> Sequence[Sequence[Any]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else ()

    def throttled(self) -> Iterator[Case]:
        name = f"limited_{self.unique()}"
        self.ask(f"CREATE DATABASE {name} CONNECTION LIMIT 1")
        parts = urlsplit(self.url)
        with psycopg.connect(parts._replace(path=f"/{name}").geturl()):
            works = self.connection()
            options = {**works.options, "database": name}
            yield Case(inputs=self.inputs(), connection=self.connection(options=options))
        self.ask(f"DROP DATABASE {name}")


class _MariaDB(_SqlPeer):
    slow = "SELECT SLEEP(10) AS slept"

    @property
    def url(self) -> str:
        return mariadb(self.services).url

    def ask(self, statement: str) -> Sequence[Sequence[Any]]:
        parts = urlsplit(self.url)
        with (
            closing(
                pymysql.connect(
                    host="127.0.0.1",
                    port=parts.port or 0,
                    user=parts.username,
                    password=parts.password or "",
                    database=parts.path.strip("/"),
                    autocommit=True,
                )
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return list(cursor.fetchall())

    def throttled(self) -> Iterator[Case]:
        parts, works = urlsplit(self.url), self.connection()
        with closing(pymysql.connect(host="127.0.0.1", port=parts.port or 0, user=LIMITED, password="")):
            limited = {**works.options, "user": LIMITED}
            yield Case(inputs=self.inputs(), connection=self.connection(options=limited, secret_values={}))


class _Query(_SqlPeer):
    adapter = query
    cut_at = b"AS answered"

    def inputs(self) -> Mapping[str, object]:
        return {
            "sql": "SELECT :word AS answered, CAST(12.50 AS DECIMAL(10, 2)) AS amount WHERE 7 IN :numbers",
            "params": {"word": self.unique(), "numbers": [5, 7]},
        }

    def check(self, output: Any) -> None:
        assert output["columns"] == ["answered", "amount"]
        assert [row["amount"] for row in output["rows"]] == ["12.50"]
        assert output["row_count"] == 1

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        change = f"INSERT INTO {_TABLE} (word) VALUES ('never')"
        return (
            Case(inputs={"sql": "SELEKT 1"}, connection=works, says="syntax"),
            Case(inputs={"sql": "SELECT :a AS a"}, connection=works, says=":a has no value"),
            Case(inputs={"sql": "SELECT 1 AS a", "params": {"b": 1}}, connection=works, says=r"params\.b"),
            Case(inputs={"sql": "SELECT 1 AS a, 2 AS a"}, connection=works, says="two columns"),
            Case(inputs={"sql": "SELECT 1 AS a UNION SELECT 2", "max_rows": 1}, connection=works, says="more than 1"),
            Case(inputs={"sql": change}, connection=works),
            Case(inputs={"sql": f"SELECT 1 AS a; {change}"}, connection=works),
            Case(inputs={"sql": f"COMMIT; {change}"}, connection=works),
        )


class _Execute(_SqlPeer):
    adapter = execute
    changes = True
    cut_at = b"COMMIT"

    def inputs(self) -> Mapping[str, object]:
        return {
            "sql": f"INSERT INTO {_TABLE} (word, amount) VALUES (:word, :amount)",
            "params": {"word": self.unique(), "amount": "12.50"},
            "expect_rows": 1,
            "idempotency": "key",
        }

    def check(self, output: Any) -> None:
        assert output["row_count"] == 1

    def effects(self) -> int:
        return int(self.ask(f"SELECT COUNT(*) FROM {_TABLE}")[0][0])

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        insert = f"INSERT INTO {_TABLE} (word) VALUES ('{self.unique()}')"
        without = self.connection(options={**works.options, "keys_table": None})
        return (
            Case(inputs={"sql": f"INSERT INTO {_TABLE} (word) VALUES (NULL)"}, connection=works),
            Case(inputs={"sql": insert, "expect_rows": 2}, connection=works, says="nothing was changed"),
            Case(inputs={"sql": f"{insert}; {insert}"}, connection=works),
            Case(inputs={"sql": insert, "idempotency": "key"}, connection=without, says="keys_table"),
        )


class PostgresQuery(_Query, _Postgres):
    """`sql.query` on PostgreSQL."""

    id = "sql.query-postgresql"


class PostgresExecute(_Execute, _Postgres):
    """`sql.execute` on PostgreSQL."""

    id = "sql.execute-postgresql"


class MariaDBQuery(_Query, _MariaDB):
    """`sql.query` on MariaDB."""

    id = "sql.query-mariadb"


class MariaDBExecute(_Execute, _MariaDB):
    """`sql.execute` on MariaDB."""

    id = "sql.execute-mariadb"
    cut_at = b"\x03COMMIT"
