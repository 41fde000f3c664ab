"""Settings that end with their transaction, and commands of one keyword, which need no file in ``sql/``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from psycopg import Connection, Copy, Cursor, sql

_IDLE = "idle_in_transaction_session_timeout"
# A healthy process takes milliseconds between two statements, and a few hundred on a busy machine.
_IDLE_MARGIN_MS = 1000
_READING = "60s"

PROBES: Mapping[str, str] = {"enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Settings that make the planner join production by index probes only."""
HASH_JOINS: Mapping[str, str] = {"enable_hashjoin": "on", "enable_nestloop": "off"}
"""Settings for statements that match the delta with itself or with the audit, which no index serves."""


def set_up(connection: Connection[Any], lock_timeout_ms: int, stall_limit_ms: int) -> None:
    """Set what holds for the whole transaction. ``lock_timeout_ms``: the longest wait for any one lock.

    ``stall_limit_ms``: the longest wait of another session for this one. If this process is suspended, so is its watch
    over that limit. So the server ends the session, with its locks, once it has been idle for the limit and a second.
    """
    set_locally(
        connection,
        **{_IDLE: f"{stall_limit_ms + _IDLE_MARGIN_MS}ms"},
        lock_timeout=f"{lock_timeout_ms}ms",
        # Tells the planner that index probes are cheap: they are on any disk of today, however large production is.
        random_page_cost="1.1",
        # Compiling a statement takes longer than most statements run.
        jit="off",
        # Small samples: the delta is always read from end to end, so the planner only needs its number of rows.
        default_statistics_target="10",
    )


def prefer_probes(connection: Connection[Any]) -> None:
    """Make the planner join production by index probes only, until the transaction ends."""
    set_locally(connection, **PROBES)


@contextmanager
def prefer_hash_joins(connection: Connection[Any]) -> Iterator[None]:
    """Make the planner use hash joins inside the context, where the delta meets itself or the audit without an index.

    The planner does not know how many rows of the audit this transaction has written. It would loop over them as if
    they were few, which takes hours for a hundred thousand rows.
    """
    before = {name: _get(connection, name) for name in HASH_JOINS}
    set_locally(connection, **HASH_JOINS)
    yield
    # Not in a finally clause, because a failed transaction accepts no more statements.
    set_locally(connection, **before)


def _get(connection: Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def reading_elsewhere(connection: Connection[Any]) -> Iterator[None]:
    """Allow reads of the source inside the context: the transaction may be idle for a minute at a time."""
    before = _get(connection, _IDLE)
    set_locally(connection, **{_IDLE: _READING})
    yield
    # Not in a finally clause, as above.
    set_locally(connection, **{_IDLE: before})


def set_locally(connection: Connection[Any], **settings: str) -> None:
    """Set settings of the server until the end of the transaction."""
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def limit_statements(connection: Connection[Any], seconds: float) -> None:
    """End each later statement of the session that takes longer (QueryCanceled), its waits for locks included."""
    connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{seconds * 1000:.0f}ms",))


def create_schema(connection: Connection[Any], schema: str) -> None:
    """Create a schema, owned by this login."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def analyze(connection: Connection[Any], schema: str | None, table: str) -> None:
    """Update the planner's statistics of a table. ``schema`` is None for a temporary table."""
    connection.execute(sql.SQL("ANALYZE {}").format(_relation(schema, table)))


def drop_table(connection: Connection[Any], schema: str | None, table: str) -> None:
    """Drop a table if it exists. ``schema`` is None for a temporary table."""
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_relation(schema, table)))


def drop_columns(connection: Connection[Any], schema: str, table: str, columns: Sequence[str]) -> None:
    """Drop those columns of a table that exist."""
    drops = sql.SQL(", ").join(sql.SQL("DROP COLUMN IF EXISTS {}").format(sql.Identifier(name)) for name in columns)
    connection.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(schema, table), drops))


def lock_against_writers(connection: Connection[Any], schema: str, table: str) -> None:
    """Keep others from writing to a table or dropping it until the transaction ends. Reading stays possible."""
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(schema, table)))


def lock_against_checks(connection: Connection[Any], schema: str, table: str) -> None:
    """Keep others' writes and foreign key checks out of a table until the transaction ends. Reading stays possible."""
    connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.Identifier(schema, table)))


def defer_constraints(connection: Connection[Any]) -> None:
    """Defer the deferrable constraints: foreign keys may form a circle, and unique values may move between rows."""
    connection.execute("SET CONSTRAINTS ALL DEFERRED")


def check_constraints(connection: Connection[Any]) -> None:
    """Check the deferred constraints now, while a refused row can still be named."""
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


def truncate(connection: Connection[Any], schema: str | None, table: str) -> None:
    """Empty a table. ``schema`` is None for a temporary table."""
    connection.execute(sql.SQL("TRUNCATE {}").format(_relation(schema, table)))


def copy_in(
    cursor: Cursor[Any], table: str, columns: Sequence[str] = (), *, schema: str | None = None
) -> AbstractContextManager[Copy]:
    """Copy rows into some columns of a table, or all. ``schema`` is None for a temporary table."""
    listed = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    chosen = sql.SQL(" ({})").format(listed) if columns else sql.SQL("")
    return cursor.copy(sql.SQL("COPY {}{} FROM STDIN").format(_relation(schema, table), chosen))


def copy_out(cursor: Cursor[Any], schema: str, table: str) -> AbstractContextManager[Copy]:
    """Copy the rows of a table out."""
    return cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, table)))


def comment_on_table(connection: Connection[Any], schema: str, table: str, comment: str) -> None:
    """Set the comment of a table."""
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(schema, table), sql.Literal(comment)))


def set_not_null(connection: Connection[Any], schema: str, table: str, columns: Iterable[str]) -> None:
    """Declare columns NOT NULL, all in one command, so that the table is read only once."""
    changes = sql.SQL(", ").join(
        sql.SQL("ALTER COLUMN {} SET NOT NULL").format(sql.Identifier(column)) for column in columns
    )
    connection.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(schema, table), changes))


def add_primary_key(connection: Connection[Any], schema: str, table: str, columns: Iterable[str]) -> None:
    """Give a table its primary key. Raises psycopg's UniqueViolation."""
    key = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(sql.Identifier(schema, table), key))


def _relation(schema: str | None, table: str) -> sql.Identifier:
    return sql.Identifier(schema, table) if schema is not None else sql.Identifier(table)
