"""Loads rows over the source connection: those with some keys, which need no DMS task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psycopg import Connection, sql

from reload_assets.engines.converting import loaded_type
from reload_assets.ledger.records import Key, Reload, staging_name
from reload_assets.postgres.session import drop_table, truncate
from reload_assets.postgres.statements import run
from reload_assets.source_texts import copy_texts, text_columns, text_names
from reload_assets.tables import ReloadTable

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

_TEXTS = "loaded_texts"


@dataclass(frozen=True, kw_only=True)
class _LoadedPieces:
    staging_schema: str
    staging_table: str
    loaded_texts: str
    text_columns: sql.Composable
    staged_columns: sql.Composable
    t_loaded: sql.Composable


def load_by_key(
    connection: Connection[Any],
    reader: SourceReader,
    schema: str,
    reload: Reload,
    table: ReloadTable,
    keys: Sequence[Key],
) -> int:
    """Fill a staging table with the source's rows of some keys, in the caller's transaction. Returns how many.

    Columns get the types in which DMS would load them. What an earlier attempt left in the table is removed. Raises
    SourceUnavailable.
    """
    name = staging_name(table, reload.reload_id)
    truncate(connection, schema, name)
    read = reader.of(table.source_schema).rows_as_text(
        table.source_table,
        [column.source for column in table.columns],
        [column.source for column in table.key],
        keys,
    )
    pieces = _pieces(schema, name, table)
    run(connection, "staging:create_texts", pieces)
    copy_texts(connection, _TEXTS, read)
    rows = run(connection, "staging:insert_texts", pieces).rowcount
    drop_table(connection, None, _TEXTS)
    return rows


def _pieces(schema: str, name: str, table: ReloadTable) -> _LoadedPieces:
    loaded = []
    for text, (column, pair) in zip(text_names(table), table.pairs, strict=True):
        kind = loaded_type(table, column)
        # Where production's type might refuse a value, staging has a plain one, which takes everything.
        taken = column.target
        if kind != taken.type:
            taken = replace(taken, type=kind, base_type=kind, checked=False, collatable=kind == "text")
        loaded.append(replace(pair, target=taken).typed(sql.Identifier("t", text)))
    return _LoadedPieces(
        staging_schema=schema,
        staging_table=name,
        loaded_texts=_TEXTS,
        text_columns=text_columns(table),
        staged_columns=sql.SQL(", ").join(sql.Identifier(column.staged) for column in table.columns),
        t_loaded=sql.SQL(", ").join(loaded),
    )
