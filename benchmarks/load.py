"""How fast rows get into staging: the DMS stand-in beside a CSV COPY pipe, and staging keyed after the load or before.

    python -m benchmarks.load --rows 500000 --repetitions 7

The ways of a group take turns. Each loads into a new table, between two servers of their own in the folder for
temporary files. Seconds depend on the machine and on what else it does, so compare only the ratios within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, sql

from reload_assets.local.dms.catalog import SourceTable, source_columns
from reload_assets.local.dms.copying import TableLoad, move_rows
from reload_assets.local.dms.mapping import MappedColumn, Selection
from reload_assets.local.dms.records import TableRun
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres import session, statements

COMMIT_RATE = 10_000
_SCHEMA, _TABLE = "staging", "rows_r1"
_TARGET = sql.Identifier("staging", "rows_r1")
_KEY = ("id",)
# Type and value of each column, of row number n.
_NARROW = {
    "id": ("integer", "n"),
    "customer_id": ("integer", "n % 1000"),
    "amount": ("numeric(10,2)", "n / 4.0"),
    "updated_at": ("timestamp", "timestamp '2025-01-01' + n * interval '1 s'"),
}
TABLES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "narrow": _NARROW,
    "wide": {
        **_NARROW,
        **{f"text_{k}": ("varchar(60)", f"'value {k} ' || md5((n * {k})::text)") for k in range(1, 11)},
        **{f"number_{k}": ("numeric(14,4)", f"n * {k} / 7.0") for k in range(1, 6)},
    },
}


@dataclass(frozen=True)
class Bench:
    """A filled table ``public.<table>`` on one server, to be loaded into ``staging.rows_r1`` on the other."""

    source: PostgresServer
    target: PostgresServer
    table: str
    rows: int

    @property
    def columns(self) -> Mapping[str, tuple[str, str]]:
        """Type and value of each column."""
        return TABLES[self.table]

    def fill(self) -> None:
        """Make the source's rows, their keys in no order, as rows that were changed in a window are."""
        values = sql.SQL(", ".join(f"({value})::{kind} AS {name}" for name, (kind, value) in self.columns.items()))
        with psycopg.connect(self.source.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE TABLE {} AS SELECT {} FROM generate_series(1, {}) AS n ORDER BY hashint4(n)").format(
                    sql.Identifier(self.table), values, sql.Literal(self.rows)
                )
            )
            connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(self.table)))

    def load_by_pipe(self) -> None:
        """``psql | psql``. Raises RuntimeError where either fails."""
        out = f"COPY (SELECT * FROM {self.table}) TO STDOUT CSV"
        with subprocess.Popen(_psql(self.source, out), stdout=subprocess.PIPE, env=_login(self.source)) as reader:
            into = _psql(self.target, f"COPY {_TARGET.as_string()} FROM STDIN CSV")
            writer = subprocess.run(into, stdin=reader.stdout, env=_login(self.target), check=False)
        if writer.returncode or reader.returncode:
            raise RuntimeError("The pipe between two psql failed.")

    def load_by_stand_in(self) -> None:
        """What the stand-in does with the rows of a full load."""
        table = SourceTable("public", self.table, "table")
        with (
            psycopg.connect(self.source.url(), autocommit=True) as source,
            psycopg.connect(self.target.url(), autocommit=True) as target,
        ):
            columns = source_columns(source, table)
            load = TableLoad(
                selection=Selection(table, ()),
                source_columns={column.name: column for column in columns},
                columns=[MappedColumn(column.name, column.name, {}) for column in columns],
                target_schema=_SCHEMA,
                target_table=_TABLE,
                lob_limit=None,
            )
            move_rows(
                source,
                target,
                load,
                commit_rate=COMMIT_RATE,
                run=TableRun("public", self.table),
                watch=lambda read: sys.maxsize,
                between=lambda: None,
            )

    def make(self, connection: Connection[Any]) -> None:
        """The staging table as it is made for a load."""
        columns = sql.SQL(", ".join(f"{name} {kind}" for name, (kind, _) in self.columns.items()))
        place = {"staging_schema": _SCHEMA, "new_table": _TABLE}
        statements.run(connection, "staging:create_table", {**place, "column_definitions": columns})

    def key(self, connection: Connection[Any]) -> None:
        """Give the staging table its primary key."""
        session.add_primary_key(connection, _SCHEMA, _TABLE, _KEY)

    def analyze(self, connection: Connection[Any]) -> None:
        """Gather the staging table's statistics."""
        session.analyze(connection, _SCHEMA, _TABLE)

    def keyed_afterwards(self, connection: Connection[Any]) -> None:
        """As ``reload_assets.engines.staging_tables`` does it."""
        self.make(connection)
        self.load_by_stand_in()
        self.key(connection)
        self.analyze(connection)

    def keyed_before(self, connection: Connection[Any]) -> None:
        """Unlogged, its primary key in place before the load."""
        self.make(connection)
        self.key(connection)
        self.load_by_stand_in()
        self.analyze(connection)

    def logged_and_indexed(self, connection: Connection[Any]) -> None:
        """An ordinary table, with a primary key and an index in place before the load."""
        self.make(connection)
        connection.execute(sql.SQL("ALTER TABLE {} SET LOGGED").format(_TARGET))
        self.key(connection)
        connection.execute(sql.SQL("CREATE INDEX ON {} (updated_at)").format(_TARGET))
        self.load_by_stand_in()
        self.analyze(connection)

    def bare(self, load: Callable[[], None]) -> Callable[[Connection[Any]], None]:
        """Return a load into a table without keys, and nothing else."""

        def way(connection: Connection[Any]) -> None:
            self.make(connection)
            load()

        return way

    def groups(self) -> dict[str, dict[str, Callable[[Connection[Any]], None]]]:
        """Return the ways by group; the first of each is what its others are compared with."""
        return {
            "load": {"CSV COPY pipe": self.bare(self.load_by_pipe), "stand-in": self.bare(self.load_by_stand_in)},
            "staging": {
                "unlogged, keyed afterwards": self.keyed_afterwards,
                "unlogged, key in place": self.keyed_before,
                "logged, key and index in place": self.logged_and_indexed,
            },
        }

    def timed(self, way: Callable[[Connection[Any]], None]) -> tuple[float, float]:
        """Seconds and MB of WAL of one way. Raises RuntimeError where rows are missing afterwards."""
        with psycopg.connect(self.target.url(), autocommit=True) as connection:
            session.drop_table(connection, _SCHEMA, _TABLE)
            connection.execute("CHECKPOINT")
            before = _wal(connection)
            started = time.perf_counter()
            way(connection)
            seconds = time.perf_counter() - started
            written = (_wal(connection) - before) / 2**20
            found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(_TARGET)).fetchone()
        if found != (self.rows,):
            raise RuntimeError(f"{found} of {self.rows} rows arrived.")
        return seconds, written


def run(rows: int = 250_000, repetitions: int = 5, tables: Sequence[str] = tuple(TABLES)) -> dict[str, Any]:
    """Measure every way on tables of so many rows; JSON-able, times in seconds.

    Each entry of ``results`` has ``table``, ``group``, ``way``, ``seconds`` (all repetitions), ``median``, ``min``,
    ``max``, ``wal_mb`` (median) and ``ratio``, of its median to that of the group's first way. Raises RuntimeError
    where a load fails or loses rows, and where there are no PostgreSQL binaries.
    """
    root = Path(tempfile.mkdtemp(prefix="reload-bench-"))
    results: list[dict[str, Any]] = []
    try:
        root.chmod(0o755)
        with PostgresServer(root / "source") as source, PostgresServer(root / "target") as target:
            with psycopg.connect(target.url(), autocommit=True) as connection:
                connection.execute("CREATE SCHEMA staging")
            for table in tables:
                bench = Bench(source, target, table, rows)
                bench.fill()
                for group, ways in bench.groups().items():
                    results += _measure(bench, group, ways, repetitions)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return {"benchmark": "load", "rows": rows, "repetitions": repetitions, "results": results}


def ratios(measured: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the stand-in's load in times of a CSV COPY pipe of the same rows, by table."""
    return {
        f"load_vs_pipe_{one['table']}": round(one["ratio"], 3)
        for one in measured["results"]
        if one["way"] == "stand-in"
    }


def table(measured: Mapping[str, Any]) -> str:
    """Return what ``run`` returned, as lines of text."""
    lines = [f"{measured['rows']} rows, {measured['repetitions']} repetitions"]
    lines.append(f"{'table':8}{'way':32}{'median s':>9}{'min':>8}{'max':>8}{'ratio':>7}{'WAL MB':>8}")
    for one in measured["results"]:
        lines.append(
            f"{one['table']:8}{one['way']:32}{one['median']:9.2f}{one['min']:8.2f}{one['max']:8.2f}"
            f"{one['ratio']:7.2f}{one['wal_mb']:8.0f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--table", choices=TABLES, action="append", help="only this one (default: all)")
    parser.add_argument("--json", type=Path, help="write the results to this file too")
    chosen = parser.parse_args(arguments)
    measured = run(chosen.rows, chosen.repetitions, chosen.table or tuple(TABLES))
    print(table(measured))
    if chosen.json:
        chosen.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


def _measure(
    bench: Bench, group: str, ways: Mapping[str, Callable[[Connection[Any]], None]], repetitions: int
) -> list[dict[str, Any]]:
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            runs[name].append(bench.timed(way))
    results: list[dict[str, Any]] = []
    for name, found in runs.items():
        seconds = [one[0] for one in found]
        results.append(
            {
                "table": bench.table,
                "group": group,
                "way": name,
                "seconds": seconds,
                "median": statistics.median(seconds),
                "min": min(seconds),
                "max": max(seconds),
                "wal_mb": statistics.median(one[1] for one in found),
            }
        )
    return [{**one, "ratio": one["median"] / results[0]["median"]} for one in results]


def _wal(connection: Connection[Any]) -> int:
    row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')").fetchone()
    assert row is not None
    return int(row[0])


def _psql(server: PostgresServer, statement: str) -> list[str]:
    beside = server.binaries / "psql"
    program = str(beside) if beside.exists() else "psql"
    place = ["--host=127.0.0.1", f"--port={server.port}", f"--username={server.superuser}", "--dbname=postgres"]
    return [program, "--no-psqlrc", "--quiet", *place, f"--command={statement}"]


def _login(server: PostgresServer) -> dict[str, str]:
    return {**os.environ, "PGPASSWORD": server.password}


if __name__ == "__main__":
    main()
