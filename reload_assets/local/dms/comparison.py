"""Compares the rows of one table on both sides by primary key, with the source's values as DMS delivers them.

A filter of the mapping limits the source only, so rows of the target outside of it are missing on the source. What the
service does there is not on record; this is the nearest case, and the one that hides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from reload_assets.local.dms.catalog import source_columns
from reload_assets.local.dms.copying import TableLoad
from reload_assets.local.dms.engine import Job
from reload_assets.local.dms.flow import CopiedRows, Outflow
from reload_assets.local.dms.mapping import MappedColumn, Selection

_CHUNK_BYTES = 64 * 1024
# Where the source's rows lie on the target during a comparison.
_ROWS = sql.Identifier("pg_temp", "awsdms_validated")
# With the type that a value has without its length: a value that the target cut or rounded differs.
_TARGET_COLUMNS = """
SELECT attname, format_type(atttypid, -1) FROM pg_attribute
WHERE attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND attnum > 0 AND NOT attisdropped
"""
# Of these types, equal values may have different texts.
_BY_VALUE = ("numeric", "real", "double precision", "bpchar")

Key = tuple[str | None, ...]


class NoKey(Exception):
    """The table has no primary key that its rows can be compared by."""


@dataclass(frozen=True)
class Difference:
    """A row that differs. ``asked`` is its key as the caller gave it, ``key`` as the control tables show it.

    ``source`` and ``target`` are the compared values, by the source's name; ``columns`` are those that differ, none for
    a row that one side lacks.
    """

    kind: str
    asked: Key
    key: Key
    source: Mapping[str, str | None]
    target: Mapping[str, str | None]
    columns: Sequence[str]

    @property
    def image(self) -> object:
        """What stays the same for as long as neither side changes the row."""
        return self.kind, tuple(self.source.items()), tuple(self.target.items())


class Comparison:
    """Compares one table over one pair of connections, both in autocommit.

    Masked and added columns are not compared: the source does not have their values. Raises NoKey, TableFailed and
    psycopg.Error.
    """

    def __init__(
        self, source: psycopg.Connection[Any], target: psycopg.Connection[Any], selection: Selection, job: Job
    ) -> None:
        self._source, self._target, self._settings = source, target, job.validation
        columns = source_columns(source, selection.table, job.source)
        self._load = load = TableLoad.plan(selection, columns, job.mapping, job.settings["TargetMetadata"])
        self.owner, self.table = load.target_schema, load.target_table
        wanted = [column.name for column in columns if column.in_primary_key]
        usable = {one.source: one for one in load.columns if one.source and not one.mask}
        if not wanted or any(name not in usable or load.source_columns[name].is_lob for name in wanted):
            raise NoKey
        self._key = [usable[name] for name in wanted]
        skipped = set(wanted)
        if self._settings["SkipLobColumns"]:
            skipped |= {name for name, column in load.source_columns.items() if column.is_lob}
        self._values = [one for name, one in usable.items() if name not in skipped]
        self._types: dict[str, str] = dict(
            target.execute(_TARGET_COLUMNS, (load.target_schema, load.target_table)).fetchall()
        )

    def whole(self, between: Callable[[], None]) -> int:
        """Read the source's rows. Returns their number. ``between`` is called now and then, and may raise."""
        values = [self._load.value(one) for one in (*self._key, *self._values)]
        table = self._load.selection.table
        query = sql.SQL("SELECT true, {} FROM {} WHERE {}").format(
            sql.SQL(", ").join(values),
            sql.Identifier(table.schema, table.name),
            self._load.selection.condition(),
        )
        return self._read(query, between)

    def of_keys(self, keys: Sequence[Key], between: Callable[[], None]) -> None:
        """Read the source's rows with these keys, which are in the target's text form."""
        columns = list(zip(self._key, zip(*keys, strict=True), strict=True))
        arrays = [sql.SQL("{}::text[]").format(sql.Literal(list(values))) for _, values in columns]
        asked = [sql.Identifier(f"awsdms_key_{number}") for number in range(len(columns))]
        names = [sql.Identifier(str(one.source)) for one in self._key]
        types = [sql.SQL(self._load.source_columns[str(one.source)].pg_type) for one in self._key]
        table = self._load.selection.table
        query = sql.SQL(
            "SELECT {found}, {values} FROM unnest({arrays}) AS asked ({asked})"
            " LEFT JOIN (SELECT * FROM {table} WHERE {condition}) AS rows ON {same}"
        ).format(
            found=sql.SQL("{} IS NOT NULL").format(names[0]),
            values=sql.SQL(", ").join([*asked, *(self._load.value(one) for one in self._values)]),
            arrays=sql.SQL(", ").join(arrays),
            asked=sql.SQL(", ").join(asked),
            table=sql.Identifier(table.schema, table.name),
            condition=self._load.selection.condition(),
            same=sql.SQL(" AND ").join(
                sql.SQL("{} = {}::{}").format(name, one, kind)
                for name, one, kind in zip(names, asked, types, strict=True)
            ),
        )
        self._read(query, between)

    def differences(self, *, everywhere: bool, most: int | None = None) -> list[Difference]:
        """Return the rows that differ, ``most`` at most, in the order of their keys.

        Of all rows that were read last, and ``everywhere`` also of those that only the target has.
        """
        differs = [self._differs(one) for one in self._values]
        some = sql.SQL(" OR ").join(differs) if differs else sql.SQL("false")
        query = sql.SQL(
            "SELECT s.awsdms_present, t.tableoid IS NOT NULL, ARRAY[{asked}]::text[], ARRAY[{key}]::text[],"
            " ARRAY[{differs}]::boolean[], ARRAY[{source}]::text[], ARRAY[{target}]::text[]"
            " FROM {rows} AS s {join} JOIN {table} AS t ON {same}"
            " WHERE coalesce(s.awsdms_present, false) <> (t.tableoid IS NOT NULL) OR (s.awsdms_present AND ({some}))"
            " ORDER BY {order} {limit}"
        ).format(
            asked=_listed(sql.SQL("s.{}").format(sql.Identifier(one.target)) for one in self._key),
            key=_listed(
                sql.SQL("coalesce({}, {})").format(self._shown(one, "s"), self._shown(one, "t")) for one in self._key
            ),
            differs=_listed(differs),
            source=_listed(sql.SQL("s.{}").format(sql.Identifier(one.target)) for one in self._values),
            target=_listed(sql.SQL("t.{}::text").format(sql.Identifier(one.target)) for one in self._values),
            rows=_ROWS,
            join=sql.SQL("FULL" if everywhere else "LEFT"),
            table=self._load.target,
            same=sql.SQL(" AND ").join(self._same(one) for one in self._key),
            some=some,
            order=_listed(
                sql.SQL("coalesce({}, t.{})").format(self._typed(one, "s"), sql.Identifier(one.target))
                for one in self._key
            ),
            limit=sql.SQL("" if most is None else f"LIMIT {most:d}"),
        )
        return [self._difference(*row) for row in self._target.execute(query).fetchall()]

    def rows_from(self, key: Key) -> int:
        """Return how many of the rows that were read last have this key or a greater one."""
        query = sql.SQL("SELECT count(*) FROM {} AS s WHERE ({}) >= ({})").format(
            _ROWS,
            _listed(self._typed(one, "s") for one in self._key),
            _listed(
                sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(self._type(one)))
                for one, value in zip(self._key, key, strict=True)
            ),
        )
        row = self._target.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def _read(self, query: sql.Composed, between: Callable[[], None]) -> int:
        columns = [sql.SQL("{} text").format(sql.Identifier(one.target)) for one in (*self._key, *self._values)]
        self._target.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_ROWS))
        self._target.execute(sql.SQL("CREATE TABLE {} (awsdms_present boolean, {})").format(_ROWS, _listed(columns)))
        total = 0
        with (
            self._source.cursor() as reader,
            reader.copy(sql.SQL("COPY ({}) TO STDOUT").format(query)),
            CopiedRows(self._source, between) as rows,
            self._target.cursor() as writer,
            writer.copy(sql.SQL("COPY {} FROM STDIN").format(_ROWS)) as sink,
            Outflow(self._target, between) as outflow,
        ):
            while True:
                between()
                chunk, count = rows.take(self._settings["PartitionSize"], _CHUNK_BYTES)
                if not count:
                    return total
                sink.write(chunk)
                outflow.flush()
                total += count

    def _difference(
        self,
        on_source: bool | None,
        on_target: bool,
        asked: list[str | None],
        key: list[str | None],
        differs: list[bool],
        source: list[str | None],
        target: list[str | None],
    ) -> Difference:
        kind = "RECORD_DIFF" if on_source and on_target else "MISSING_TARGET" if on_source else "MISSING_SOURCE"
        # A row that only the target has was not asked for by any key.
        given = tuple(key) if on_source is None else tuple(asked)
        names = [str(one.source) for one in self._values]
        return Difference(
            kind,
            given,
            tuple(key),
            dict(zip(names, source, strict=True)),
            dict(zip(names, target, strict=True)),
            [name for name, one in zip(names, differs, strict=True) if one and kind == "RECORD_DIFF"],
        )

    def _type(self, column: MappedColumn) -> str:
        # A column that the target lacks makes the comparison fail, whatever its type.
        return self._types.get(column.target, "text")

    def _typed(self, column: MappedColumn, side: str) -> sql.Composed:
        """A value in the type of the target's column."""
        return sql.SQL("{}.{}::{}").format(sql.SQL(side), sql.Identifier(column.target), sql.SQL(self._type(column)))

    def _shown(self, column: MappedColumn, side: str) -> sql.Composed:
        """A value of the key in the one form that it has on both sides."""
        shown = "trim_scale({})::text" if self._type(column) == "numeric" else "{}::text"
        return sql.SQL(shown).format(self._typed(column, side))

    def _same(self, column: MappedColumn) -> sql.Composed:
        return sql.SQL("{} = t.{}").format(self._typed(column, "s"), sql.Identifier(column.target))

    def _differs(self, column: MappedColumn) -> sql.Composed:
        source, target = self._typed(column, "s"), sql.SQL("t.{}").format(sql.Identifier(column.target))
        if self._type(column) in _BY_VALUE:
            return sql.SQL("{} IS DISTINCT FROM {}").format(source, target)
        form = "{}::text"
        part = self._settings["ValidationPartialLobSize"] * 1024
        if part and self._load.source_columns[str(column.source)].is_lob:
            # The text of bytes is \x and two digits for each.
            form = f"left({{}}::text, {2 * part + 2 if self._type(column) == 'bytea' else part})"
        return sql.SQL(f"{form} IS DISTINCT FROM {form}").format(source, target)


def _listed(parts: Any) -> sql.Composed:
    return sql.SQL(", ").join(parts)
