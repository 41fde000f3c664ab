"""Settings of a transaction, which end with it, and commands of one keyword, which need no file in ``sql/``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from psycopg import Connection, Copy, Cursor, sql

_IDLE = "idle_in_transaction_session_timeout"
# Between two statements of a healthy process lie milliseconds, on a busy machine some hundred of them.
_IDLE_MARGIN_MS = 1000
_READING = "60s"

PROBES: Mapping[str, str] = {"enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Settings with which production is joined by index probes only."""
HASH_JOINS: Mapping[str, str] = {"enable_hashjoin": "on", "enable_nestloop": "off"}
"""Settings for statements that match the delta with itself or with the audit, which no index serves."""


def set_up(connection: Connection[Any], lock_timeout_ms: int, stall_limit_ms: int) -> None:
    """What holds for the whole transaction. ``lock_timeout_ms``: the longest wait for any one lock.

    ``stall_limit_ms``: the longest wait of another session for this one. Where this process stands still, so does its
    watch over that. The server then ends the session, with its locks, as soon as it has been idle for so long and a
    second more.
    """
    set_locally(
        connection,
        **{_IDLE: f"{stall_limit_ms + _IDLE_MARGIN_MS}ms"},
        lock_timeout=f"{lock_timeout_ms}ms",
        # Production is probed row by row: cheap on any disk of today, and its size does not matter.
        random_page_cost="1.1",
        # Compiling a statement takes longer than most of them run.
        jit="off",
        # The delta is looked at from its beginning to its end whatever is in it: its number of rows is enough to know.
        default_statistics_target="10",
    )


def prefer_probes(connection: Connection[Any]) -> None:
    """From here on production is joined by index probes only."""
    set_locally(connection, **PROBES)


@contextmanager
def prefer_hash_joins(connection: Connection[Any]) -> Iterator[None]:
    """For statements that match the delta with itself or with the audit, which no index serves.

    The planner does not know how many rows of the audit are the transaction's own; a loop over them, which it would
    like for a few, takes hours for a hundred thousand.
    """
    before = {name: _get(connection, name) for name in HASH_JOINS}
    set_locally(connection, **HASH_JOINS)
    yield
    # Not in a finally clause: after an error the transaction takes no more statements.
    set_locally(connection, **before)


def _get(connection: Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def reading_elsewhere(connection: Connection[Any]) -> Iterator[None]:
    """For reads of the source amid the transaction: it is idle meanwhile, for at most a minute at a time."""
    before = _get(connection, _IDLE)
    set_locally(connection, **{_IDLE: _READING})
    yield
    # Not in a finally clause, as above.
    set_locally(connection, **{_IDLE: before})


def set_locally(connection: Connection[Any], **settings: str) -> None:
    """Set settings of the server until the end of the transaction."""
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def create_schema(connection: Connection[Any], schema: str) -> None:
    """Create a schema, owned by this login."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def analyze(connection: Connection[Any], schema: str | None, table: str) -> None:
    """Tell the planner what a table holds now; ``schema`` is None for a temporary table."""
    connection.execute(sql.SQL("ANALYZE {}").format(_relation(schema, table)))


def drop_table(connection: Connection[Any], schema: str | None, table: str) -> None:
    """Drop a table if it exists; ``schema`` is None for a temporary table."""
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_relation(schema, table)))


def lock_against_writers(connection: Connection[Any], schema: str, table: str) -> None:
    """Keep others from writing into a table, or dropping it, until the transaction ends; reading goes on."""
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(schema, table)))


def lock_against_checks(connection: Connection[Any], schema: str, table: str) -> None:
    """Keep writers and foreign key checks of others out of a table until the transaction ends; reading goes on."""
    connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.Identifier(schema, table)))


def defer_constraints(connection: Connection[Any]) -> None:
    """Let the constraints that may wait do so: a circle of foreign keys, values that move between rows."""
    connection.execute("SET CONSTRAINTS ALL DEFERRED")


def check_constraints(connection: Connection[Any]) -> None:
    """Have the constraints that waited checked now, while there is still something to say about a refused row."""
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


def truncate(connection: Connection[Any], schema: str | None, table: str) -> None:
    """Empty a table; ``schema`` is None for a temporary table."""
    connection.execute(sql.SQL("TRUNCATE {}").format(_relation(schema, table)))


def copy_in(
    cursor: Cursor[Any], table: str, columns: Sequence[str] = (), *, schema: str | None = None
) -> AbstractContextManager[Copy]:
    """Take rows into a table: into some columns, or into all; ``schema`` is None for a temporary table."""
    listed = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    chosen = sql.SQL(" ({})").format(listed) if columns else sql.SQL("")
    return cursor.copy(sql.SQL("COPY {}{} FROM STDIN").format(_relation(schema, table), chosen))


def copy_out(cursor: Cursor[Any], schema: str, table: str) -> AbstractContextManager[Copy]:
    """Give out the rows of a table."""
    return cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, table)))


def comment_on_table(connection: Connection[Any], schema: str, table: str, comment: str) -> None:
    """Set the comment of a table."""
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(schema, table), sql.Literal(comment)))


def set_not_null(connection: Connection[Any], schema: str, table: str, columns: Iterable[str]) -> None:
    """Declare columns NOT NULL: all at once, so that the table is read once."""
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
