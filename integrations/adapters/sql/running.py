"""Statements on their way to a database and rows on their way back; the limits are kept on both sides."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import orjson
import psycopg
import sqlalchemy
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, ResourceClosedError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from integrations.adapters.sql import pools, verdicts
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import Refused, Throttled
from integrations.plain import plain
from integrations.watchdog import watched

_CHUNK_ROWS = 200
_MOST_ROWS = 1_000
_GRACE_S = 0.25
_POSTGRESQL = "postgresql"
_AS_IT_IS = sqlalchemy.types.NullType()
"""The server decides what a text is: a date, a number, an enum."""


def version(*, connection: ConnectionSettings, timeout_s: float) -> str:
    """This will ask a database which it is."""
    with _transaction(connection, deadline=Deadline.after(timeout_s), changes=False) as opened:
        return str(opened.scalar(sqlalchemy.text("SELECT version()")))


def query(*, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float) -> Mapping[str, object]:
    """This will read the rows of a SELECT as a stream, never holding more than is allowed."""
    statement = _statement(inputs)
    with _transaction(connection, deadline=Deadline.after(timeout_s), changes=False) as opened:
        streaming = opened.execution_options(stream_results=True, max_row_buffer=_CHUNK_ROWS)
        with streaming.execute(statement) as result:
            if not result.returns_rows:
                raise Refused("sql.query is for a statement that returns rows: use sql.execute")
            columns = _columns(result)
            rows = _rows(result, columns=columns, inputs=inputs, connection=connection)
    return {"columns": columns, "rows": rows, "row_count": len(rows)}


def execute(
    *, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float, key: str, repeatable: bool
) -> Mapping[str, object]:
    """This will execute one statement and commit it, together with its key where that is wanted."""
    statement = _statement(inputs)
    deadline = Deadline.after(timeout_s)
    with _transaction(connection, deadline=deadline, changes=True, repeatable=repeatable) as opened:
        table = _keys_table(connection) if inputs.get("idempotency") == "key" else None
        if table is not None and not _claim(opened, table=table, key=key):
            return {**_remembered(opened, table=table, key=key), "is_repetition": True}
        with opened.execute(statement) as result:
            rows: Sequence[object] = []
            count = result.rowcount
            if result.returns_rows:
                rows = _rows(result, columns=_columns(result), inputs=inputs, connection=connection)
                count = len(rows)
        expected = inputs.get("expect_rows")
        if expected is not None and count != expected:
            raise Refused(
                f"the statement would change {count} rows and not {expected}: nothing was changed",
                evidence={"row_count": count, "expect_rows": expected},
            )
        output = {"row_count": count, "rows": rows}
        if table is not None:
            _remember(opened, table=table, key=key, output=output)
        opened.commit()
    return {**output, "is_repetition": False}


@contextmanager
def _transaction(
    connection: ConnectionSettings, *, deadline: Deadline, changes: bool, repeatable: bool = True
) -> Iterator[sqlalchemy.Connection]:
    """A transaction that the server ends when its time is over, and that we leave soon after if it does not."""
    opened = _connected(connection, deadline=deadline)
    with opened, _watched(opened, deadline=deadline) as watch:
        try:
            _begin(opened, timeout_s=min(deadline.left_s, connection.read_timeout_s), changes=changes)
            yield opened
        except DBAPIError as error:
            found = _finding(error, is_late=watch.is_set())
            raise verdicts.of_statement(found, changes=changes, repeatable=repeatable) from error
        except (ArgumentError, StatementError, ResourceClosedError) as error:
            raise Refused(f"the statement or its params are wrong: {_first_line(error)}") from error


def _connected(connection: ConnectionSettings, *, deadline: Deadline) -> sqlalchemy.Connection:
    try:
        return pools.connect(connection, deadline=deadline)
    except PoolTimeout as error:
        raise Throttled("all SQL connections of this worker are in use: raise pool_size") from error
    except DBAPIError as error:
        raise verdicts.of_login(_finding(error, is_late=False)) from error


@contextmanager
def _watched(opened: sqlalchemy.Connection, *, deadline: Deadline) -> Iterator[threading.Event]:
    """A server that hangs cannot end a statement: the connection is broken off when the deadline has passed."""
    driver = opened.connection.driver_connection
    with watched(deadline, break_off=lambda: pools.shutdown(driver), grace_s=_GRACE_S) as late:
        try:
            yield late
        finally:
            if late.is_set():
                with suppress(DBAPIError):
                    opened.invalidate()


def _begin(opened: sqlalchemy.Connection, *, timeout_s: float, changes: bool) -> None:
    timeout_ms = max(int(timeout_s * 1000), 1)
    mode = "READ WRITE" if changes else "READ ONLY"
    if opened.dialect.name == _POSTGRESQL:
        opened.exec_driver_sql(f"SET TRANSACTION {mode}")
        opened.exec_driver_sql(f"SET LOCAL statement_timeout = {timeout_ms}")
    else:
        opened.exec_driver_sql(f"SET SESSION max_statement_time = {timeout_ms / 1000}")
        opened.exec_driver_sql(f"START TRANSACTION {mode}")


def _statement(inputs: Mapping[str, object]) -> sqlalchemy.TextClause:
    params = inputs.get("params")
    values = params if isinstance(params, Mapping) else {}
    statement = sqlalchemy.text(str(inputs["sql"]))
    wanted = set(statement.compile().params)
    unknown, missing = sorted(set(values) - wanted), sorted(wanted - set(values))
    if unknown or missing:
        said = [f"params.{name} is not in the statement" for name in unknown]
        said += [f":{name} has no value in params" for name in missing]
        raise Refused("the statement and its params do not fit: " + ", ".join(said))
    binds = [
        sqlalchemy.bindparam(name, value=value, type_=_AS_IT_IS, expanding=isinstance(value, list))
        for name, value in values.items()
    ]
    return statement.bindparams(*binds)


def _columns(result: sqlalchemy.CursorResult[Any]) -> list[str]:
    columns = list(result.keys())
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise Refused(f"two columns are called {twice[0]!r}: give them names with AS")
    return columns


def _rows(
    result: sqlalchemy.CursorResult[Any],
    *,
    columns: Sequence[str],
    inputs: Mapping[str, object],
    connection: ConnectionSettings,
) -> list[object]:
    most = int(str(inputs.get("max_rows", _MOST_ROWS)))
    rows: list[object] = []
    size = 0
    for part in result.partitions(_CHUNK_ROWS):
        for row in part:
            made = {column: plain(value) for column, value in zip(columns, row, strict=True)}
            size += len(orjson.dumps(made))
            if len(rows) == most:
                raise Refused(f"there are more than {most} rows: ask for fewer, or raise max_rows")
            if size > connection.max_response_bytes:
                raise Refused(f"the rows are larger than the {connection.max_response_bytes} bytes allowed")
            rows.append(made)
    return rows


def _keys_table(connection: ConnectionSettings) -> str:
    table = connection.options.get("keys_table")
    if not isinstance(table, str):
        raise Refused(f"idempotency: key needs the option keys_table of connection {connection.name}")
    return table


def _claim(opened: sqlalchemy.Connection, *, table: str, key: str) -> bool:
    """Whoever inserts the key first does the work; another one waits here until that is decided."""
    insert = sqlalchemy.text(f"INSERT INTO {table} (idempotency_key, output) VALUES (:key, '')")  # noqa: S608  a pattern
    try:
        with opened.begin_nested():
            opened.execute(insert, {"key": key})
    except IntegrityError:
        return False
    return True


def _remember(opened: sqlalchemy.Connection, *, table: str, key: str, output: Mapping[str, object]) -> None:
    update = sqlalchemy.text(f"UPDATE {table} SET output = :output WHERE idempotency_key = :key")  # noqa: S608  a pattern
    opened.execute(update, {"key": key, "output": orjson.dumps(output).decode()})


def _remembered(opened: sqlalchemy.Connection, *, table: str, key: str) -> Mapping[str, object]:
    """What the earlier attempt has committed; in MariaDB a snapshot taken before would not show it."""
    select = sqlalchemy.text(f"SELECT output FROM {table} WHERE idempotency_key = :key FOR UPDATE")  # noqa: S608
    found: Mapping[str, object] = orjson.loads(str(opened.scalar(select, {"key": key})))
    return found


def _finding(error: DBAPIError, *, is_late: bool) -> verdicts.Finding:
    origin = error.orig
    if isinstance(origin, psycopg.Error):
        code, is_lost = origin.sqlstate or "", origin.sqlstate is None or error.connection_invalidated
    else:
        first = origin.args[0] if origin is not None and origin.args else ""
        code = str(first) if isinstance(first, int) else ""
        is_lost = verdicts.is_lost(code) or error.connection_invalidated
    return verdicts.Finding(text=_first_line(origin or error), code=code, is_lost=is_lost, is_late=is_late)


def _first_line(error: BaseException) -> str:
    text = str(error.args[-1]) if error.args and isinstance(error.args[0], int) else str(error)
    return text.strip().partition("\n")[0][:500] or type(error).__name__
