"""The texts of keys, as people, their tools and DMS write them, and whether production's types keep what they say."""

from __future__ import annotations

from psycopg import sql

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.conversions.declared import INTEGERS, PADDED, parse_type
from reload_assets.postgres.catalog import Column

# A time that every session reads the same: PostgreSQL drops a zone, and takes the 03 of 03-JAN-25 for a year. Years of
# more than four digits, those before Christ and infinite times are in production alone.
_DAY = r"(\d{4,6}-\d{1,2}-\d{1,2}|\d{8}|\d{1,2}-[a-z]{3}-\d{4})"
_SAME_EVERYWHERE = rf"^\s*(-?infinity|{_DAY}([ T]\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d{{1,6}}0*)?)?)?( BC)?)\s*$"
_TIMES = ("timestamp without time zone", "date")


def spelled(column: Column, text: sql.Composable) -> sql.Composable:
    """Return a value as people and their tools write it, as a text that the column's type reads."""
    base = parse_type(column.base_type).base
    if base in INTEGERS:
        # A spreadsheet or a data frame writes 7.0. As text, so that 7.5 is refused.
        return sql.SQL("CAST(trim_scale(CAST({} AS numeric)) AS text)").format(text)
    if base == "bytea":
        # psql writes bytes with this prefix.
        return sql.SQL("regexp_replace({}, '^\\\\x', '')").format(text)
    return text


def says(column: Column, source: SourceColumn | None, text: sql.Composable, value: sql.Composable) -> sql.Composable:
    """Return the SQL condition that a text says ``value``, of the column's type, which both sides can have.

    The type may have rounded, guessed or cut the text. ``source`` is None where nobody described it.
    """
    declared, kind = parse_type(column.base_type), source.kind if source else None
    # Of a NUMBER without precision, the source has more decimals than DMS brings.
    if declared.base == "numeric" and kind != "bare":
        return sql.SQL("CAST({} AS numeric) = {}").format(text, value)
    if declared.base in _TIMES:
        return sql.SQL("({0} ~* {1} AND CAST({0} AS timestamp) = {2})").format(
            text, sql.Literal(_SAME_EVERYWHERE), value
        )
    if declared.base == "bytea":
        return sql.SQL("octet_length({}) > 0").format(value)
    is_padded = declared.base in PADDED or kind == "padded"
    kept = sql.SQL("rtrim({})" if is_padded else "{}").format(text)
    # To the source, an empty text is NULL, and so are the blanks of a CHAR.
    says_some = sql.SQL("{} <> ''").format(kept)
    conditions: list[sql.Composable] = [says_some] if is_padded or column.collatable else []
    if column.collatable and declared.size is not None:
        conditions.append(sql.SQL("char_length({}) <= {}").format(kept, sql.Literal(declared.size)))
    return sql.SQL(" AND ").join(conditions or [sql.SQL("true")])
