"""The pieces of SQL of the checks, grouped by the files in ``sql/verify`` that name them.

s: a staged row. e: a row that the source had before the load. p: a row of production. d: a staged row from which
production differs. r: a row of the source. c: a row with a foreign key. q: its parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.sql import Composable

from reload_assets.canonical.postgres import TextRule, production_text
from reload_assets.keys import key_rule
from reload_assets.postgres.catalog import ForeignKey
from reload_assets.soft_delete import alive
from reload_assets.tables import ReloadColumn, ReloadTable


@dataclass(frozen=True, kw_only=True)
class StagingTable:
    """A staging table by name."""

    staging_schema: str
    staging_table: str


@dataclass(frozen=True, kw_only=True)
class SourceKeyPieces:
    """Step 1: the table of the noted source rows, and how staged rows are matched with them."""

    source_keys: str
    key_text_columns: Composable
    s_named_key_texts: Composable
    e_is_s: Composable


@dataclass(frozen=True, kw_only=True)
class StagedKeyPieces:
    """Step 3: the key of a staged row, and as text for messages."""

    s_key: Composable
    s_key_shown: Composable


@dataclass(frozen=True, kw_only=True)
class LobPieces:
    """Step 3: a staged LOB as text or bytes, and its length in characters or bytes."""

    s_lob: Composable
    s_lob_length: Composable


@dataclass(frozen=True, kw_only=True)
class DifferingPieces:
    """Step 4: how a staged row is found in production, and when the two are equal."""

    schema: str
    table: str
    version_column: str
    staged_version_column: str
    s_named_key_texts: Composable
    s_key_numbered: Composable
    s_key_shown: Composable
    s_key_json: Composable
    p_is_s: Composable
    p_is_alive: Composable
    p_equals_s: Composable


@dataclass(frozen=True, kw_only=True)
class JudgePieces:
    """Step 4: how a staged row that differs is found in production and among the source's rows."""

    schema: str
    table: str
    source_rows: str
    r_is_d: Composable
    p_is_d: Composable
    p_is_alive: Composable
    p_equals_r: Composable


@dataclass(frozen=True, kw_only=True)
class ForeignKeyPieces:
    """Step 4: a foreign key of production's table."""

    schema: str
    table: str
    parent_schema: str
    parent_table: str
    c_is_selected: Composable
    c_key_shown: Composable
    c_has_references: Composable
    q_is_parent_of_c: Composable


def source_key_pieces(table: ReloadTable, source_keys: str) -> SourceKeyPieces:
    """Compose how staged rows are matched with the noted ones. Each key column of the source must have a ``kind``."""
    names = [f"k{number}" for number, _ in enumerate(table.key, start=1)]
    described = {column.name: column for column in table.source_columns or ()}
    rules = [key_rule(described[column.source], column.target) for column in table.key]
    return SourceKeyPieces(
        source_keys=source_keys,
        key_text_columns=comma(sql.SQL('{} text COLLATE "C"').format(sql.Identifier(name)) for name in names),
        s_named_key_texts=comma(
            sql.SQL('CAST({} AS text) COLLATE "C" AS {}').format(
                production_text("s", column.staged, rule), sql.Identifier(name)
            )
            for name, column, rule in zip(names, table.key, rules, strict=True)
        ),
        e_is_s=_both(sql.SQL("{} = {}").format(sql.Identifier("e", name), sql.Identifier("s", name)) for name in names),
    )


def staged_key_pieces(table: ReloadTable) -> StagedKeyPieces:
    """Compose the key of a table's staged rows."""
    return StagedKeyPieces(
        s_key=comma(sql.Identifier("s", column.staged) for column in table.key),
        s_key_shown=shown_key("s", [column.staged for column in table.key]),
    )


def lob_pieces(column: ReloadColumn) -> LobPieces:
    """Compose the value and the length of a staged LOB."""
    name = sql.Identifier("s", column.staged)
    if column.target.type == "bytea":
        return LobPieces(s_lob=name, s_lob_length=sql.SQL("octet_length({})").format(name))
    value = sql.SQL("({}::text)").format(name)
    return LobPieces(s_lob=value, s_lob_length=sql.SQL("char_length({})").format(value))


def differing_pieces(
    table: ReloadTable, numbers: dict[str, str], key_names: Sequence[str], rules: Sequence[TextRule]
) -> DifferingPieces:
    """Compose how staged rows are compared with production.

    ``numbers`` are the names (c1, c2 ...) that columns have in temporary tables, ``key_names`` and ``rules`` those of
    the key's texts.
    """
    return DifferingPieces(
        schema=table.production.schema,
        table=table.production.name,
        version_column=table.version.name,
        staged_version_column=table.version.staged,
        s_named_key_texts=comma(
            sql.SQL("{} AS {}").format(production_text("s", column.staged, rule), sql.Identifier(name))
            for name, column, rule in zip(key_names, table.key, rules, strict=True)
        ),
        s_key_numbered=comma(
            sql.SQL("{} AS {}").format(sql.Identifier("s", column.staged), sql.Identifier(numbers[column.name]))
            for column in table.key
        ),
        s_key_shown=shown_key("s", [column.staged for column in table.key]),
        s_key_json=sql.SQL("jsonb_build_object({})").format(
            comma(
                sql.SQL("{}, {}").format(sql.Literal(column.name), sql.Identifier("s", column.staged))
                for column in table.key
            )
        ),
        p_is_s=_production_is("s", {column.name: column.staged for column in table.key}),
        p_is_alive=alive(table),
        p_equals_s=_both(_equals(column, sql.Identifier("s", column.staged)) for column in table.judged_columns),
    )


def judge_pieces(table: ReloadTable, numbers: dict[str, str], source_rows: str) -> JudgePieces:
    """Compose how staged rows that differ are judged. ``source_rows`` is the table of the source's rows."""
    key = {column.name: numbers[column.name] for column in table.key}
    return JudgePieces(
        schema=table.production.schema,
        table=table.production.name,
        source_rows=source_rows,
        r_is_d=_both(
            sql.SQL("{} = {}").format(sql.Identifier("r", number), sql.Identifier("d", number))
            for number in key.values()
        ),
        p_is_d=_production_is("d", key),
        p_is_alive=alive(table),
        p_equals_r=_both(_equals(column, sql.Identifier("r", numbers[column.name])) for column in table.judged_columns),
    )


def foreign_key_pieces(table: ReloadTable, key: ForeignKey, selected: Composable) -> ForeignKeyPieces:
    """Compose how the rows of a foreign key find their parents. ``selected``: whether a row ``c`` is examined."""
    return ForeignKeyPieces(
        schema=table.production.schema,
        table=table.production.name,
        c_is_selected=selected,
        parent_schema=key.parent_schema,
        parent_table=key.parent_table,
        c_key_shown=shown_key("c", [column.name for column in table.key]),
        # Under MATCH SIMPLE a foreign key with a NULL in it refers to nothing.
        c_has_references=_both(sql.SQL("{} IS NOT NULL").format(sql.Identifier("c", name)) for name in key.columns),
        q_is_parent_of_c=_both(
            sql.SQL("{} = {}").format(sql.Identifier("q", parent), sql.Identifier("c", child))
            for parent, child in zip(key.parent_columns, key.columns, strict=True)
        ),
    )


def shown_key(alias: str, names: Sequence[str]) -> Composable:
    """Compose a row's key as one text for messages: its values, separated by commas."""
    texts = comma(sql.SQL("coalesce({}::text, 'NULL')").format(sql.Identifier(alias, name)) for name in names)
    return sql.SQL("concat_ws(', ', {})").format(texts)


def comma(pieces: Iterable[Composable]) -> Composable:
    """Join pieces with commas."""
    return sql.SQL(", ").join(pieces)


def _both(conditions: Iterable[Composable]) -> Composable:
    return sql.SQL(" AND ").join(conditions)


def _production_is(alias: str, names: dict[str, str]) -> Composable:
    return _both(
        sql.SQL("{} = {}").format(sql.Identifier("p", name), sql.Identifier(alias, other))
        for name, other in names.items()
    )


def _equals(column: ReloadColumn, other: Composable) -> Composable:
    """Compose equality by Oracle's rules: '' and an empty LOB are NULL, and the padding of CHAR does not count."""
    if column.target.collatable:
        # Compare by code points: neither a case-insensitive type nor a collation may make different texts equal.
        value = sql.SQL("nullif({}::text COLLATE \"C\", '')")
    elif column.target.type == "bytea":
        value = sql.SQL("nullif({}, ''::bytea)")
    elif not column.target.comparable:
        value = sql.SQL("{}::text")
    else:
        value = sql.SQL("{}")
    left, right = (value.format(side) for side in (sql.Identifier("p", column.name), other))
    return sql.SQL("{} IS NOT DISTINCT FROM {}").format(left, right)
