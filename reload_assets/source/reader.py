"""Reads the source: Oracle, or the PostgreSQL stand-in that looks like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import datetime, timezone
from decimal import Decimal
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from reload_assets.canonical.oracle_types import EXACT_COLLATIONS, Delivery, SourceColumn, type_named
from reload_assets.canonical.text import source_instant, source_role
from reload_assets.errors import closest
from reload_assets.errors.source import (
    SourceDenied,
    SourceDialectUnknown,
    SourceDriverMissing,
    SourceNameUnknown,
    SourceNotPrimary,
    SourceUnreadable,
)
from reload_assets.source import dictionary
from reload_assets.source.failures import describe, failure, reason, refusal
from reload_assets.source.ranges import Rows, in_parts
from reload_assets.source.session import SourceSession
from reload_assets.source.statements import Compared, SourceTable

__all__ = ["SourceColumn", "SourceReader", "source_url"]

# The driver is always named, as SQLAlchemy 2.0 and 2.1 have different default drivers for both databases.
_DRIVERS = {"oracle": "oracle+oracledb", "postgresql": "postgresql+psycopg"}
# Oracle: ORA-01795 above 1,000 elements of an IN list, ORA-01745 above 65,535 binds; PostgreSQL: 65,535 binds.
_MAX_LIST = 1_000
_MAX_BINDS = 30_000
# The most conditions joined with OR, so that the database looks for each of them by an index.
_MAX_ALIKE = 50
_IS_PRIMARY = "reload_assets_is_primary"


def source_url(
    dialect: Literal["oracle", "postgresql"], *, host: str, port: int, database: str, user: str, password: str
) -> sa.URL:
    """Return the reader's URL.

    On Oracle ``database`` is the service name, which cannot be in the URL's path: there it would be the SID.
    """
    url = sa.URL.create(_DRIVERS[dialect], username=user, password=password, host=host, port=port)
    if dialect == "oracle":
        return url.update_query_dict({"service_name": database})
    return url.set(database=database)


class SourceReader:
    """Reads tables of one schema, and of others by ``of``. A context manager; used from one thread at a time.

    Every method raises SourceUnavailable: a sentence that names the server, the database and the user, or the missing
    table or column. It also raises this on a standby, which may show older rows than CDC has written. Names are spelled
    as in the dictionary. Times are wall-clock values in the source's zone, without a zone. Numbers are Decimal, LOBs
    are str and bytes.
    """

    def __init__(
        self,
        url: sa.URL,
        schema: str,
        delivery: Callable[[], Delivery] = Delivery,
        session: SourceSession | None = None,
    ) -> None:
        """``delivery`` returns how DMS changes values. It is called when columns are first described."""
        self.schema, self._delivery = schema, delivery
        self._place = f"The source {describe(url)}"
        self.host, self.user = url.host or "localhost", url.username or "(none)"
        self._secrets = [secret for secret in (url.password, (session or SourceSession()).wallet_password) if secret]
        self._tables: dict[str, SourceTable] = {}
        self._others: dict[str, SourceReader] = {schema: self}
        self._engine = self._create_engine(url, session or SourceSession())

    def __str__(self) -> str:
        return self._place.removeprefix("The source ")

    def of(self, schema: str) -> SourceReader:
        """Return the reader of another schema over the same connections, which close with this one."""
        if schema not in self._others:
            other = copy(self)
            other.schema, other._tables = schema, {}
            self._others[schema] = other
        return self._others[schema]

    def read(self, statement: sa.Select[Any]) -> list[Any]:
        """Return the rows of a statement."""
        with self._connection() as connection:
            return list(connection.execute(statement))

    def tables(self) -> list[str]:
        """Return the names of the schema's tables that this login may read."""
        return sorted(name for (name,) in self.read(dictionary.tables(self.schema)))

    def columns(self, table: str) -> list[SourceColumn]:
        """Read the table's visible, stored columns in order. Raises SourceUnavailable if there is no such table."""
        with self._connection() as connection:
            collations = dictionary.has_collations(connection.dialect)
            rows = list(connection.execute(dictionary.columns(self.schema, table, collations=collations)))
        if not rows:
            self.check()
            meant = closest(table, (name for (name,) in self.read(dictionary.tables(self.schema))))
            missing = f"table {self.schema}.{table} that this user may read"
            fix = f"create it, run {self.grant(table)}, or fix the name"
            raise SourceNameUnknown(self._place, missing, meant, fix)
        delivery = self._delivery()
        found = [_column(*row, delivery=delivery) for row in rows]
        self._tables[table] = SourceTable(self.schema, table, tuple(found))
        return found

    def unique_keys(self, table: str) -> list[list[str]]:
        """Return the columns of each key that the source keeps unique over all rows, the primary key's first.

        Constraints that are disabled or not validated do not count, nor do indexes that are unusable or on expressions.
        """
        known = {column.name for column in self._table(table).columns}
        keys: dict[tuple[str, str], list[str]] = {}
        for kind, statement in (("constraint", dictionary.unique_constraints), ("index", dictionary.unique_indexes)):
            for name, column in self.read(statement(self.schema, table)):
                keys.setdefault((kind, name), []).append(column)
        return [columns for columns in keys.values() if known.issuperset(columns)]

    def leading_columns(self, table: str) -> set[str]:
        """Return the columns by whose ranges an index of the source finds rows of the table."""
        return {name for (name,) in self.read(dictionary.leading_columns(self.schema, table))}

    def count(self, table: str, window_column: str, start: datetime, end: datetime) -> int:
        """Return how many rows lie in the half-open ``[start, end)``."""
        made = self._table(table)

        def read(first: datetime, last: datetime) -> int:
            ((rows,),) = self.read(made.count(window_column, first, last))
            return int(rows)

        return sum(in_parts(read, start, end))

    def count_without(self, table: str, column: str, most: int) -> int:
        """Return how many rows have NULL in a column, counting no further than ``most``."""
        ((rows,),) = self.read(self._table(table).count_without(column, most))
        return int(rows)

    def newest(self, table: str, column: str) -> datetime | None:
        """Return the latest value of a window column; None for an empty table. An index gives it at once."""
        found: datetime | None
        ((found,),) = self.read(self._table(table).newest(column))
        return found

    def longest(self, table: str, columns: Sequence[str], rows: int) -> tuple[int, list[int]]:
        """Return how many rows were looked at, ``rows`` at most, and the length of the longest LOB of each column.

        Lengths are in characters for text and in bytes for others.
        """
        ((seen, *lengths),) = self.read(self._table(table).longest(columns, rows))
        return int(seen), [int(length or 0) for length in lengths]

    def require_select(self, table: str) -> None:
        """Raise SourceDenied, with the GRANT, unless this user may read rows of the table.

        Oracle's dictionary also shows tables on which a user has another right.
        """
        try:
            self.read(self._table(table).none())
        except SourceDenied as error:
            raise SourceDenied(self._place, error.reason, self.grant(table)) from None

    def grant(self, table: str) -> str:
        """Return the GRANT with which this user may read a table."""
        return f'GRANT SELECT ON "{self.schema}"."{table}" TO {self.user}'

    def rows_as_text(
        self,
        table: str,
        columns: Sequence[str],
        key_columns: Sequence[str],
        keys: Sequence[Sequence[Any]],
        batch: int = 500,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows with one of ``keys``, in any order. Keys that the source does not have are skipped.

        Columns are canonical text if they have one, which is exact for all values. Keys are values as production has
        them, or canonical text. ``batch`` keys are read at once, or fewer if the database's limits demand it.
        """
        made = self._table(table)
        yield from self._by_key(made, partial(made.rows_as_text, columns, key_columns), key_columns, keys, batch)

    def rows_in_window(
        self, table: str, columns: Sequence[str], window_column: str, start: datetime, end: datetime, batch: int = 500
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows in the half-open ``[start, end)`` in any order, each as ``rows_as_text`` returns it."""
        made = self._table(table)
        for rows in self._in_lists(partial(made.rows_in_window, columns, window_column), start, end, batch):
            yield from rows

    def now(self) -> datetime:
        """Return the clock of the source's server (UTC). The server is checked to be still the primary."""
        ((instant, role),) = self.read(sa.select(source_instant(), source_role()))
        self._require_primary(role)
        found: datetime = instant
        return found.replace(tzinfo=timezone.utc)

    def segments(
        self, table: str, columns: Compared, window_column: str, start: datetime, end: datetime, characters: int
    ) -> Iterator[tuple[str, int, str]]:
        """Yield the segments of ``[start, end)``, by the first ``characters`` of the window column's canonical text.

        Each has that text, its number of rows, and the sum of their checksums (of ``columns``) as text. One read
        finds them all where the source can do it. The rules are in ``reload_assets.canonical.row_hash``.
        """
        made = self._table(table)

        def read(first: datetime, last: datetime) -> list[Any]:
            return self.read(made.segments(columns, window_column, first, last, characters))

        found: dict[str, tuple[int, int]] = {}
        for name, rows, total in chain.from_iterable(in_parts(read, start, end)):
            # Two parts may share a segment.
            before = found.get(name, (0, 0))
            found[name] = (before[0] + int(rows), before[1] + int(total))
        for name, (rows, total) in found.items():
            yield name, rows, str(total)

    def contents(
        self,
        table: str,
        key_columns: Sequence[str],
        version_column: str,
        columns: Compared,
        window_column: str,
        ranges: Iterable[tuple[datetime, datetime]],
        batch: int = 5_000,
    ) -> Iterator[list[tuple[str | None, ...]]]:
        """Yield key and version as canonical text, and the hash of ``columns``, for rows in half-open ``ranges``.

        Rows come in lists of at most ``batch``, in any order. Each range is read by a separate statement.
        """
        made = self._table(table)
        select = partial(made.contents, key_columns, version_column, columns, window_column)
        for start, end in ranges:
            yield from self._in_lists(select, start, end, batch)

    def contents_by_key(
        self,
        table: str,
        key_columns: Sequence[str],
        version_column: str,
        columns: Compared,
        keys: Sequence[Sequence[Any]],
        batch: int = 500,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the same as ``contents`` for the rows with one of ``keys``; see ``rows_as_text``."""
        made = self._table(table)
        select = partial(made.contents_by_key, key_columns, version_column, columns)
        yield from self._by_key(made, select, key_columns, keys, batch)

    def check(self) -> None:
        """Raise SourceUnavailable unless the source can be reached and has the schema."""
        users = [name for (name,) in self.read(dictionary.users())]
        if self.schema not in users:
            fix = "fix the name, which Oracle keeps in upper case"
            raise SourceNameUnknown(self._place, f"schema {self.schema!r}", closest(self.schema, users), fix)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> SourceReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _create_engine(self, url: sa.URL, session: SourceSession) -> sa.Engine:
        backend = url.get_backend_name()
        if backend not in _DRIVERS:
            raise SourceDialectUnknown(self._place, backend)
        # One connection is kept. Another one is opened only while rows are streamed over the first.
        options: dict[str, Any] = {"pool_size": 1, "pool_pre_ping": True, "hide_parameters": True}
        if backend == "oracle":
            options["arraysize"] = 500
        try:
            options["connect_args"] = session.connect_args(url)
            engine = sa.create_engine(url.set(drivername=_DRIVERS[backend]), **options)
        except ImportError as error:
            driver = _DRIVERS[backend].partition("+")[2]
            extra = " (pip install 'reload_assets[oracle]')" if backend == "oracle" else ""
            raise SourceDriverMissing(self._place, driver, extra) from error
        except (SQLAlchemyError, TypeError, ValueError) as error:
            raise SourceUnreadable(self._place, self._reason(error)) from None
        sa.event.listen(engine, "connect", session.set_up(url))
        return engine

    def _table(self, name: str) -> SourceTable:
        if name not in self._tables:
            self.columns(name)
        return self._tables[name]

    def _by_key(
        self,
        table: SourceTable,
        select: Callable[..., sa.Select[Any]],
        key_columns: Sequence[str],
        keys: Sequence[Sequence[Any]],
        batch: int,
    ) -> Iterator[tuple[Any, ...]]:
        """Look keys up by value first, as an index serves that best, and those not found by canonical text."""
        size = max(1, min(batch, _MAX_LIST, _MAX_BINDS // len(key_columns)))
        wanted = [key for key in keys if table.possible(key_columns, key)]
        texts = table.key_texts(key_columns)
        with self._connection() as connection:
            for some in _pieces(wanted, size):
                found = set()
                if by_value := [key for key in some if table.bindable(key_columns, key)]:
                    for row in connection.execute(select(by_value).add_columns(*texts)):
                        found.add(tuple(row[-len(texts) :]))
                        yield tuple(row[: -len(texts)])
                rest = [
                    key
                    for key in some
                    if table.may_be_alike(key_columns, key) and tuple(str(value) for value in key) not in found
                ]
                for few in _pieces(rest, _MAX_ALIKE):
                    for row in connection.execute(select(few, alike=True).add_columns(*texts)):
                        if (text := tuple(row[-len(texts) :])) not in found:
                            found.add(text)
                            yield tuple(row[: -len(texts)])

    def _in_lists(
        self, select: Callable[[datetime, datetime], sa.Select[Any]], start: datetime, end: datetime, batch: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a range in lists of at most ``batch``; none before all of a read are there, which may fail."""

        def read(first: datetime, last: datetime) -> Rows:
            with self._connection() as connection:
                result = connection.execution_options(yield_per=batch).execute(select(first, last))
                return Rows(result.partitions())

        for rows in in_parts(read, start, end):
            with rows:
                yield from rows

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        try:
            connection = self._engine.connect()
        # The drivers raise TypeError and ValueError for unknown options in the URL.
        except (SQLAlchemyError, TypeError, ValueError) as error:
            _raise_interrupt(error)
            raise refusal(self._place, self._reason(error)) from None
        with connection:
            try:
                # Check once per session.
                if _IS_PRIMARY not in connection.info:
                    self._require_primary(connection.execute(sa.select(source_role())).scalar_one())
                    connection.info[_IS_PRIMARY] = True
                yield connection
            except SQLAlchemyError as error:
                _raise_interrupt(error)
                raise failure(self._place, self._reason(error)) from None

    def _require_primary(self, role: str) -> None:
        if role != "PRIMARY":
            raise SourceNotPrimary(self._place, role.lower())

    def _reason(self, error: Exception) -> str:
        return reason(error, self._secrets)


def _pieces(keys: Sequence[Sequence[Any]], size: int) -> Iterator[Sequence[Sequence[Any]]]:
    for first in range(0, len(keys), size):
        yield keys[first : first + size]


def _raise_interrupt(error: BaseException) -> None:
    """Raise the interrupt behind an error. Cleaning up after it may have failed in turn, which must not hide it."""
    cause = error.__context__
    while cause is not None:
        if not isinstance(cause, Exception):
            raise cause from None
        cause = cause.__context__


def _column(
    name: str,
    data_type: str,
    data_length: int | None,
    char_length: int | None,
    precision: int | None,
    scale: int | None,
    nullable: str,
    position: int,
    collation: str | None,
    *,
    delivery: Delivery,
) -> SourceColumn:
    length = {"characters": char_length, "bytes": data_length, None: None}[type_named(data_type).length_in]
    return SourceColumn(
        name=name,
        data_type=data_type,
        length=_int(length),
        precision=_int(precision),
        scale=_int(scale),
        nullable=nullable == "Y",
        position=int(position),
        delivery=delivery,
        # The same for all columns that nobody gave another one, so that no definition of a reload has to keep it.
        collation=None if collation in EXACT_COLLATIONS else collation,
    )


def _int(value: int | Decimal | None) -> int | None:
    return None if value is None else int(value)
