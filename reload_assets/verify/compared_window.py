"""A window of production against the source's: first sums of segments, then the rows of segments that differ.

Each side reads its window once and hands out one sum for about a thousand rows; rows travel only from segments whose
sums differ. Both sides make the same canonical text of a value (``reload_assets.source.canonical``) and the same hash
of a row (``reload_assets.source.content``), and production's rows are compared inside PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection, sql

from reload_assets.cdc import Cdc
from reload_assets.errors import SourceUnavailable
from reload_assets.soft_delete import alive
from reload_assets.source.canonical import canonical_text, in_production, production_column
from reload_assets.source.columns import Kind, SourceColumn
from reload_assets.source.content import Hashed, checksum, row_hash, segment
from reload_assets.source.production import production_text
from reload_assets.source.reader import SourceReader
from reload_assets.statements import Part, compose, run
from reload_assets.tables import ReloadColumn, ReloadTable
from reload_assets.verify.segments import Bounds, Sums, characters, differing, ranges

# Extra rows that are looked up in the source by key, to tell rows it deleted from rows it moved out of the window.
_LOOKED_UP = 1_000
# A row that changes between the read of the source and that of production differs without being wrong.
_LOOKS = 3
_TEXTS = ("text", "character varying", "character", "citext")
# Production's types whose values have the text of the source's kind: no text is made of numbers in a text column.
FAMILIES: Mapping[Kind, Sequence[str]] = {
    "number": ("smallint", "integer", "bigint", "numeric"),
    "bare": ("smallint", "integer", "bigint", "numeric"),
    "text": _TEXTS,
    "padded": _TEXTS,
    "date": ("timestamp without time zone",),
    "timestamp": ("timestamp without time zone",),
    "raw": ("bytea",),
}
_EXAMPLES = 5


@dataclass(frozen=True)
class Contents:
    """Rows by outcome with some of their keys, as ``sql/verify/compare_window.sql`` names them.

    Of the ``extra`` rows that were ``looked_up`` by key in the source, ``gone`` are not there. ``left_out`` says why by
    the names of those of the source's columns that were not compared.
    """

    counts: Mapping[str, int]
    segments: int
    segments_differing: int
    left_out: Mapping[str, str]
    some: Mapping[str, Sequence[str]] = field(default_factory=dict)
    looked_up: int = 0
    gone: int = 0

    @property
    def equal(self) -> bool:
        """Whether nothing differs but what is newer in production."""
        return not any(count for outcome, count in self.counts.items() if outcome not in ("same", "newer"))


def compare_contents(
    connection: Connection[Any], table: ReloadTable, bounds: Bounds, reader: SourceReader, cdc: Cdc | None = None
) -> Contents:
    """Compare the window. ``bounds`` are wall-clock values of the source's zone; the connection is in autocommit mode.

    With ``cdc`` production is looked at when CDC has passed what was read of the source, and again where it differs.
    Raises SourceUnavailable, also for a key or version without canonical text; CdcNotReady; and psycopg's errors.
    """
    return _Comparison(connection, table, bounds, reader, cdc).run()


class _Comparison:
    def __init__(
        self, connection: Connection[Any], table: ReloadTable, bounds: Bounds, reader: SourceReader, cdc: Cdc | None
    ) -> None:
        self.connection, self.table, self.bounds, self.reader, self.cdc = connection, table, bounds, reader, cdc
        if table.source_columns is None:
            raise SourceUnavailable(f"There is no description of the columns of {table.source_table} in the source.")
        self.described = {column.name: column for column in table.source_columns}
        self.kinds = {column.source: self._kind(column) for column in (*table.key, table.version)}
        self.columns: list[ReloadColumn] = []
        self.left_out: dict[str, str] = {}
        self._choose_columns()
        self.to_utf8 = connection.info.parameter_status("server_encoding") != "UTF8"
        self.names = [f"k{number}" for number in range(1, len(table.key) + 1)]
        self.place: dict[str, Part] = {
            "schema": table.production.schema,
            "table": table.production.name,
            "window_column": table.window.name,
            "alive": alive(table),
        }

    def run(self) -> Contents:
        source, production = self._sums()
        names = differing(source, production)
        counts = {"same": sum(sums.rows for name, sums in source.items() if production.get(name) == sums)}
        segments = len(source.keys() | production.keys())
        found = Contents(counts, segments, len(names), self.left_out)
        if not names:
            return found
        rounded = (self.described[self.table.window.source].scale or 0) > 6
        wanted = list(ranges(names, self.bounds, early=rounded))
        for _ in range(_LOOKS):
            # One transaction, for the temporary tables; the source is read first, so that production can only be ahead
            # of it.
            with self.connection.transaction():
                self._copy(wanted)
                self._wait()
                found = self._compare(found, counts["same"])
            if found.equal or self.cdc is None:
                break
        return found

    def _kind(self, column: ReloadColumn) -> Kind:
        described = self.described[column.source]
        if described.kind is None:
            raise SourceUnavailable(
                f"{column.source} is {described.declared}, which has no text that source and production share."
            )
        return described.kind

    def _choose_columns(self) -> None:
        types: dict[str, str] = dict(
            run(
                self.connection,
                "verify/base_types",
                None,
                schema=self.table.production.schema,
                table=self.table.production.name,
            ).fetchall()
        )
        paired = {column.source for column in (*self.table.key, self.table.version)}
        for column in self.table.columns:
            why = _why_not(self.described[column.source], types[column.name])
            if why is None:
                self.columns.append(column)
            elif column.source not in paired:
                self.left_out[column.source] = why

    def _sums(self) -> tuple[dict[str, Sums], dict[str, Sums]]:
        """Both sides' sums by segment."""
        window = {"start": self.bounds[0], "end": self.bounds[1]}
        ((plan,),) = run(self.connection, "verify/estimate_window", self.place, **window).fetchall()
        length = characters(self.bounds, plan[0]["Plan"]["Plan Rows"])
        source = {
            name: Sums(rows, total)
            for name, rows, total in self.reader.segments(
                self.table.source_table,
                [column.source for column in self.columns],
                self.table.window.source,
                *self.bounds,
                length,
            )
        }
        self._wait()
        column = self.table.window
        text = canonical_text(production_column("p", column.name), self._kind(column))
        parts = {
            **self.place,
            "segment": in_production(segment(text, length)),
            "checksum": in_production(checksum(self._hash("p"))),
        }
        rows = run(self.connection, "verify/window_segments", parts, **window).fetchall()
        return source, {name: Sums(count, total) for name, count, total in rows}

    def _wait(self) -> None:
        if self.cdc is not None:
            self.cdc.wait_passed(self.reader.now())

    def _hash(self, alias: str) -> Any:
        return row_hash(
            [Hashed(production_column(alias, c.name), self.described[c.source]) for c in self.columns],
            to_utf8=self.to_utf8,
        )

    def _copy(self, wanted: Sequence[Bounds]) -> None:
        keys = sql.SQL(", ").join(sql.SQL("NULL::text AS {}").format(sql.Identifier(name)) for name in self.names)
        run(self.connection, "verify/create_source_window", {"keys": keys})
        starts, ends = zip(*wanted, strict=True)
        run(self.connection, "verify/create_source_ranges", None, starts=list(starts), ends=list(ends))
        batches = self.reader.contents(
            self.table.source_table,
            [column.source for column in self.table.key],
            self.table.version.source,
            [column.source for column in self.columns],
            self.table.window.source,
            wanted,
        )
        with self.connection.cursor() as cursor, cursor.copy(compose("verify/copy_source_window")) as copy:
            for batch in batches:
                for row in batch:
                    copy.write_row(row)
        run(self.connection, "verify/analyze_source_window")

    def _compare(self, before: Contents, same: int) -> Contents:
        pairs = list(zip(self.names, self.table.key, strict=True))
        version, kind = self.table.version, self.kinds[self.table.version.source]
        parts: dict[str, Part] = {
            **self.place,
            "keys": sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(self._key_text("p", column), sql.Identifier(name)) for name, column in pairs
            ),
            "version": production_text("p", version.name, kind),
            "content": in_production(self._hash("p")),
            "same_key": sql.SQL(" AND ").join(
                sql.SQL("{} = {}").format(sql.Identifier("s", name), sql.Identifier("p", name)) for name in self.names
            ),
        }
        rows = run(
            self.connection,
            "verify/compare_window",
            {
                **parts,
                "elsewhere": sql.SQL(" AND ").join(
                    [
                        *(
                            sql.SQL("{} = {}").format(
                                sql.Identifier("w", column.name), _typed(name, column, self.kinds[column.source])
                            )
                            for name, column in pairs
                        ),
                        alive(self.table, "w"),
                    ]
                ),
                "elsewhere_version": production_text("w", version.name, kind),
                "elsewhere_content": in_production(self._hash("w")),
                "key_text": sql.SQL("concat_ws(', ', {})").format(
                    sql.SQL(", ").join(
                        sql.SQL("coalesce({}, {})").format(sql.Identifier("s", name), sql.Identifier("p", name))
                        for name in self.names
                    )
                ),
                "production_later": _later(kind),
            },
        ).fetchall()
        counts = {outcome: count for outcome, count, _ in rows}
        some = {outcome: keys for outcome, _, keys in rows}
        counts["same"] = counts.get("same", 0) + same
        looked_up = gone = 0
        if counts.get("extra"):
            looked_up, gone, caught, keys = self._look_up_extra(parts)
            # Production may have got more of them since they were counted.
            counts["extra"] = max(looked_up, counts["extra"] - caught)
            counts["newer"] = counts.get("newer", 0) + caught
            some["extra"] = keys or some["extra"]
        return Contents(counts, before.segments, before.segments_differing, self.left_out, some, looked_up, gone)

    def _look_up_extra(self, parts: Mapping[str, Part]) -> tuple[int, int, int, list[str]]:
        """Of the extra rows: how many were looked up, how many are not in the source, how many are there by now.

        Then keys of some that are not. A row is there by now where it came into these ranges after they were read.
        """
        key_list = sql.SQL(", ").join(sql.Identifier("p", name) for name in self.names)
        extra = run(self.connection, "verify/extra_keys", {**parts, "key_list": key_list}, limit=_LOOKED_UP).fetchall()
        size = len(self.names)
        there = {
            row[:size]: row
            for row in self.reader.contents_by_key(
                self.table.source_table,
                [column.source for column in self.table.key],
                self.table.version.source,
                [column.source for column in self.columns],
                [row[:size] for row in extra],
            )
        }
        wrong = [row for row in extra if there.get(row[:size]) != row]
        gone = sum(1 for row in wrong if row[:size] not in there)
        keys = [", ".join(row[:size]) for row in wrong[:_EXAMPLES]]
        return len(wrong), gone, len(extra) - len(wrong), keys

    def _key_text(self, alias: str, column: ReloadColumn) -> sql.Composable:
        return production_text(alias, column.name, self.kinds[column.source])


def _why_not(source: SourceColumn, production_type: str) -> str | None:
    """Why the content of a column is not compared; None where it is."""
    if source.kind is None or source.base_type == "FLOAT":
        return source.declared
    if re.sub(r"\(.*?\)", "", production_type) not in FAMILIES[source.kind]:
        return f"{source.declared}, {production_type} in production"
    return None


def _typed(name: str, column: ReloadColumn, kind: Kind) -> sql.Composed:
    """A key of the source as a value of production's type, so that an index finds it."""
    key = sql.Identifier("s", name)
    if kind == "raw":
        return sql.SQL("decode({}, 'hex')").format(key)
    return sql.SQL("CAST({} AS {})").format(key, sql.SQL(column.target.type))


def _later(kind: Kind) -> sql.SQL:
    if kind in ("number", "bare"):
        return sql.SQL("production_version::numeric > source_version::numeric")
    if kind in ("date", "timestamp"):
        # As text, years before Christ would sort among those after.
        return sql.SQL("production_version::timestamp > source_version::timestamp")
    # By code points, whatever the database's collation.
    return sql.SQL('production_version COLLATE "C" > source_version COLLATE "C"')
