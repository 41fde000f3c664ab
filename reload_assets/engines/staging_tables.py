"""Staging tables: created per reload, filled by DMS, then trimmed, keyed and analyzed, and dropped when they expire."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import UniqueViolation

from reload_assets.engines.converting import as_json, convert_columns, loaded_type
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Bounds, Reload, staging_name
from reload_assets.ledger.selected import is_among_keys
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import (
    add_primary_key,
    analyze,
    comment_on_table,
    drop_columns,
    drop_table,
    set_not_null,
)
from reload_assets.postgres.statements import run
from reload_assets.tables import ReloadTable
from reload_assets.verify.source_keys import source_keys_name


def again_name(staging_table: str) -> str:
    """Return the name of the table, next to a staging table, into which DMS loads rows again for a confirm."""
    return f"{staging_table}_again"


def create_staging(
    connection: Connection[Any], schema: str, reload: Reload, table: ReloadTable, load_role: str | None
) -> None:
    """Create the staging table of one table of a reload, in the transaction that opens the reload."""
    name = staging_name(table, reload.reload_id)
    make_table(connection, schema, name, table, load_role)
    comment_on_table(connection, schema, name, f"{reload.title}: {table.target}")


def make_table(connection: Connection[Any], schema: str, name: str, table: ReloadTable, load_role: str | None) -> None:
    """Create an empty table for DMS to load rows of ``table`` into."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)) for column, kind in _columns(table)
    )
    place = {"staging_schema": schema, "new_table": name}
    run(connection, "staging:create_table", {**place, "column_definitions": columns})
    if load_role:
        row = run(connection, "staging:lacks_usage", load_role=load_role, staging_schema=schema).fetchone()
        if row is not None and row[0]:
            run(connection, "staging:grant_usage", {"staging_schema": schema, "load_role": load_role})
        run(connection, "staging:grant_load", {**place, "load_role": load_role})


def _columns(table: ReloadTable) -> list[tuple[str, str]]:
    """Return names and types in the order of the source, in which DMS copies.

    A type is production's own spelling of it, from format_type, unless that would refuse or change values. What is only
    loaded because DMS does not leave it out goes into a type that takes everything.
    """
    places = {column.name: column.position for column in table.source_columns or ()}
    wanted = [(places.get(column.source, 0), column.staged, loaded_type(table, column)) for column in table.columns]
    for column in table.loaded_anyway:
        wanted.append((column.position, column.name, "bytea" if column.type.family == "bytes" else "text"))
    return [(name, kind) for _, name, kind in sorted(wanted, key=lambda one: one[0])]


def finish_staging(
    connection: Connection[Any],
    ledger: Ledger,
    schema: str,
    reload: Reload,
    table: ReloadTable,
    *,
    bounds: Bounds | None,
    filter_bounds: Bounds | None,
    load_role: str | None,
) -> tuple[int, int]:
    """Trim a loaded staging table to the selection and to the columns that are wanted, convert, key, analyze it.

    Returns the rows staged and trimmed. ``bounds`` are those of the window, and ``filter_bounds`` those of the filter
    that loaded it; both are wall-clock values of the source's zone, and None if keys are selected. If the key is not
    unique or has NULLs, the table gets no primary key, and a column with NULLs stays nullable: the checks report both.
    """
    name = staging_name(table, reload.reload_id)
    place = {"staging_schema": schema, "staging_table": name}
    if load_role:
        run(connection, "staging:revoke_load", {**place, "load_role": load_role})
    trimmed = 0
    if bounds is not None and filter_bounds is not None:
        trimmed = run(
            connection,
            "staging:trim",
            {**place, "window_column": table.window.staged},
            start=bounds[0],
            end=bounds[1],
            filter_start=filter_bounds[0],
            filter_end=filter_bounds[1],
        ).rowcount
    if table.loaded_anyway:
        drop_columns(connection, schema, name, [column.name for column in table.loaded_anyway])
    converted = convert_columns(connection, schema, name, table)
    if bounds is None:
        # Once the key has production's types, of which the selected keys are.
        chosen = is_among_keys(reload, table, "s", staged=True)
        trimmed = run(connection, "staging:trim_keys", {**place, "s_is_selected": chosen}).rowcount
    staged, nulls = _count(connection, place, table)
    full = [column.staged for column in table.columns if column.target.not_null and not nulls[column.staged]]
    if full:
        set_not_null(connection, schema, name, full)
    if not any(nulls[column.staged] for column in table.key):
        _add_key(connection, schema, name, table)
    analyze(connection, schema, name)
    ledger.set_staged(connection, reload.reload_id, table.name, staged, trimmed)
    if converted:
        ledger.set_conversions(connection, reload.reload_id, table.name, as_json(converted))
    return staged, trimmed


def drop_expired_staging(target: TargetDatabase, ledger: Ledger, retention_days: float) -> list[str]:
    """Drop the staging tables of reloads that ended longer ago than the retention (days). Returns their names."""
    dropped = []
    with target.connect(autocommit=True) as connection:
        expired: Sequence[tuple[int, str, str, str, int]] = run(
            connection, "ledger/sweep:list_expired_staging", retention_days=retention_days
        ).fetchall()
        for reload_id, table_name, schema, table, oid in expired:
            with connection.transaction():
                for name in (table, again_name(table), source_keys_name(oid)):
                    drop_table(connection, schema, name)
                run(connection, "ledger/sweep:set_staging_dropped", reload_id=reload_id, table_name=table_name)
            dropped.append(f"{schema}.{table}")
    return dropped


def _add_key(connection: Connection[Any], schema: str, name: str, table: ReloadTable) -> None:
    # Keyed here and not at its creation: a load into a keyed table takes much longer than keying a loaded one.
    # Creating the key finds duplicates at no cost; searching for them beforehand takes longer than creating the key.
    with suppress(UniqueViolation), connection.transaction():
        add_primary_key(connection, schema, name, [column.staged for column in table.key])


def _count(connection: Connection[Any], place: dict[str, str], table: ReloadTable) -> tuple[int, dict[str, int]]:
    nulls = sql.SQL(", ").join(
        sql.SQL("count(*) - count({})").format(sql.Identifier(column.staged)) for column in table.columns
    )
    row = run(connection, "staging:count_rows", {**place, "null_counts": nulls}).fetchone()
    assert row is not None
    return row[0], dict(zip((column.staged for column in table.columns), row[1], strict=True))
