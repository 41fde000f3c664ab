"""The ways to merge that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import psycopg
from psycopg import sql

from benchmarks import dlt_merge
from benchmarks.orders import CONFIG, Copy
from benchmarks.statements import run
from reload_assets.ledger.ledger import Ledger
from reload_assets.merge import Patience, merge_reload


@dataclass(frozen=True)
class Strategy:
    """A way to merge. ``ours`` has the guards and the audit of the project; ``guarded`` never overwrites newer rows."""

    name: str
    title: str
    prepare: Callable[[Copy], Callable[[], object]]
    """Makes ready what is not the merge's own work; what it returns is timed."""
    ours: bool = False
    guarded: bool = True


def _ours(chunk_rows: int | None, copy: Copy) -> Callable[[], object]:
    # The longest wait that spares CDC a deadlock (deadlock_timeout is a second): with the default an atomic merge of a
    # large window might not finish beside a writer as busy as this one.
    patience = Patience(lock_timeout_ms=400, stall_limit_ms=800, attempts=20, chunk_rows=chunk_rows)
    ledger, reload, tables = Ledger(copy.target), copy.reload(), copy.tables()
    return lambda: merge_reload(copy.target, ledger, reload, tables, CONFIG.source.zone, patience)


def _statements(names: tuple[str, ...], copy: Copy, rows: tuple[str, str] | None = None) -> Callable[[], object]:
    schema, table = rows or ("staging", copy.staging)
    parts = {"staging_table": copy.staging, "rows_schema": schema, "rows_table": table}

    def merge() -> None:
        with psycopg.connect(copy.server.url(copy.database)) as connection:
            for name in names:
                run(connection, f"rivals/{name}", parts)

    return merge


def _dlt(strategy: Literal["delete-insert", "upsert"], copy: Copy) -> Callable[[], object]:
    statements = _dlt_statements(strategy)

    def merge() -> None:
        with psycopg.connect(copy.server.url(copy.database)) as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement))

    return merge


_dlt_statements = cache(partial(dlt_merge.statements, staging_schema="seed_staging"))

STRATEGIES: Mapping[str, Strategy] = {
    one.name: one
    for one in (
        Strategy(
            "limit",
            "bare limit: upsert of a given delta, no audit",
            partial(_statements, ("upsert",), rows=("public", "limit_delta")),
        ),
        Strategy(
            "floor",
            "floor: one probe per row, then that upsert, no audit",
            partial(_statements, ("floor_settings", "floor_delta", "upsert"), rows=("pg_temp", "floor_delta")),
        ),
        Strategy("atomic", "ours, atomic", partial(_ours, None), ours=True),
        Strategy("chunked", "ours, chunked", partial(_ours, CONFIG.merge.chunk_rows), ours=True),
        Strategy(
            "seed",
            "update newer rows, then insert missing ones",
            partial(_statements, ("seed_update", "seed_insert", "seed_mark")),
        ),
        Strategy("upsert", "upsert of every row, guarded", partial(_statements, ("upsert",))),
        Strategy("merge", "MERGE, guarded", partial(_statements, ("merge",))),
        Strategy("dlt_upsert", "dlt, upsert", partial(_dlt, "upsert"), guarded=False),
        Strategy("dlt_delete_insert", "dlt, delete-insert", partial(_dlt, "delete-insert"), guarded=False),
    )
}


def warm_up() -> None:
    """Import dlt, which takes long and happens once per process, so that no run pays for it."""
    _dlt_statements("upsert")
    _dlt_statements("delete-insert")
