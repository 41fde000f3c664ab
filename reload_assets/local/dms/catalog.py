"""The source as DMS sees it: tables, columns, and the Oracle types that the stand-in's source keeps in comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import psycopg
from psycopg import sql

from reload_assets.local.dms.records import Endpoint
from reload_assets.local.oracle import ALL_COLUMNS_LOGGED

_TABLES = """
SELECT n.nspname, c.relname, CASE WHEN c.relkind IN ('r', 'p') THEN 'table' ELSE 'view' END
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
"""
_COLUMNS = """
SELECT
    a.attname,
    format_type(a.atttypid, a.atttypmod),
    regexp_replace(coalesce(col_description(a.attrelid, a.attnum), ''), ' COLLATE .*', ''),
    coalesce(a.attnum = ANY (i.indkey), false)
FROM pg_attribute AS a LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
  -- DMS carries neither virtual columns nor invisible ones.
  AND a.attgenerated = '' AND coalesce(col_description(a.attrelid, a.attnum), '') NOT LIKE '%% INVISIBLE'
ORDER BY a.attnum
"""
_TYPE = re.compile(r"(?P<name>[A-Z][A-Z0-9_ ]*?)\s*(?:\((?P<size>[^)]*)\))?(?P<rest> WITH[A-Z ]*)?", re.IGNORECASE)
_TEXT = ("CHAR", "NCHAR", "VARCHAR", "VARCHAR2", "NVARCHAR2")
_LOBS = {"CLOB": "text", "NCLOB": "text", "LONG": "text", "XMLTYPE": "text", "BLOB": "bytea", "LONG RAW": "bytea"}
# DMS loads NULL for these.
_UNSUPPORTED = ("ROWID", "UROWID", "BFILE", "REF", "ANYDATA")
_SIMPLE = {"DATE": "timestamp", "BINARY_FLOAT": "real", "BINARY_DOUBLE": "double precision", "RAW": "bytea"}
# The type names of mapping rules (`data-type.type`).
_DMS_TYPES = {
    **dict.fromkeys(("int1", "int2", "uint1"), "smallint"),
    **dict.fromkeys(("int4", "uint2"), "integer"),
    **dict.fromkeys(("int8", "uint4"), "bigint"),
    **dict.fromkeys(("clob", "nclob"), "text"),
    **dict.fromkeys(("blob", "bytes"), "bytea"),
    "uint8": "numeric(20)",
    "real4": "real",
    "real8": "double precision",
    "date": "date",
    "time": "time",
    "datetime": "timestamp",
    "boolean": "boolean",
}
# Oracle's types, and those of columns without one, as DMS carries them; all others are texts.
_ORACLE_TO_DMS = {
    "NUMBER": "numeric",
    "FLOAT": "real8",
    "BINARY_FLOAT": "real4",
    "BINARY_DOUBLE": "real8",
    "DATE": "datetime",
    "TIMESTAMP": "datetime",
    "RAW": "bytes",
    "NCHAR": "wstring",
    "NVARCHAR2": "wstring",
}
_PG_TO_DMS = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "numeric": "numeric",
    "real": "real4",
    "double precision": "real8",
    "date": "date",
    "time without time zone": "time",
    "timestamp without time zone": "datetime",
    "boolean": "boolean",
}


@dataclass(frozen=True)
class SourceTable:
    """``kind`` is ``table`` or ``view``."""

    schema: str
    name: str
    kind: str


@dataclass(frozen=True)
class SourceColumn:
    """A column with its PostgreSQL type and, from its comment, its Oracle type ('' where there is none).

    ``number_scale`` and ``trims_char`` are NumberDatatypeScale and TrimSpaceInChar of the source endpoint.
    """

    name: str
    pg_type: str
    oracle_type: str
    in_primary_key: bool
    number_scale: int = 10
    trims_char: bool = True

    @property
    def oracle_name(self) -> str:
        """The Oracle type without its size: ``NUMBER``, ``VARCHAR2``, ``TIMESTAMP WITH TIME ZONE``."""
        found = _TYPE.fullmatch(self.oracle_type.strip())
        return (found["name"] + (found["rest"] or "")).upper() if found else ""

    @property
    def is_lob(self) -> bool:
        """By the Oracle type; text and bytea without one count as LOBs."""
        return self.oracle_name in _LOBS if self.oracle_name else self.pg_type in ("text", "bytea")

    @property
    def target_type(self) -> str:
        """The type that DMS gives the column in a table that it creates itself."""
        found = _TYPE.fullmatch(self.oracle_type.strip())
        if not found:
            return self.pg_type
        name, size = self.oracle_name, found["size"]
        if name in _LOBS or name in _SIMPLE:
            return _LOBS.get(name) or _SIMPLE[name]
        if name == "NUMBER":
            if size:
                return f"numeric({size.replace('*', '38')})"
            kinds = {-1: "double precision", -2: "varchar(130)"}
            return kinds.get(self.number_scale, f"numeric(38,{self.number_scale})")
        if name == "FLOAT":
            return "real" if size and int(size) <= 24 else "double precision"
        if name == "TIMESTAMP":
            digits = int(size or 6)
            return f"timestamp({digits})" if digits <= 6 else "varchar(37)"
        if name in _TEXT:
            length = re.match(r"\d+", size or "")
            return f"varchar({length[0] if length else 1})"
        # TIMESTAMP WITH [LOCAL] TIME ZONE and INTERVALs arrive as text.
        return "varchar(37)"

    @property
    def dms_type(self) -> str:
        """The data type that DMS gives the column on its way, as mapping rules name it."""
        if self.is_lob:
            is_binary = self.oracle_name in ("BLOB", "LONG RAW") or (not self.oracle_name and self.pg_type == "bytea")
            return "blob" if is_binary else "nclob" if self.oracle_name == "NCLOB" else "clob"
        if self.oracle_name:
            return _ORACLE_TO_DMS.get(self.oracle_name, "string")
        # timestamp(6) without time zone
        kind = re.sub(r"\([^)]*\)", "", self.pg_type)
        return _PG_TO_DMS.get(kind, "string")

    def value(self, lob_limit: int | None) -> sql.Composable:
        """Return the SQL expression of what DMS delivers; LOBs are cut at ``lob_limit`` bytes (None: not at all)."""
        column = sql.Identifier(self.name)
        if self.oracle_name in _UNSUPPORTED:
            return sql.SQL("NULL")
        if self.is_lob:
            return _lob(column, self.pg_type == "bytea", lob_limit)
        if self.oracle_type.strip().upper() == "NUMBER":
            if self.number_scale == -1:
                return sql.SQL("{}::double precision").format(column)
            if self.number_scale == -2:
                return sql.SQL("trim_scale({}::numeric)").format(column)
            return sql.SQL("trim_scale(round({}::numeric, {}))").format(column, sql.Literal(self.number_scale))
        if self.oracle_name in ("CHAR", "NCHAR") or self.pg_type.startswith("character("):
            trimmed = "nullif(rtrim({}, ' '), '')" if self.trims_char else "nullif(concat({}), '')"
            return sql.SQL(trimmed).format(column)
        if self.oracle_name in _TEXT or self.pg_type.startswith("character varying"):
            return sql.SQL("nullif({}, '')").format(column)
        return column

    def delivered(self, text: str | None, lob_limit: int | None) -> str | None:
        """Return what DMS delivers for one value of the log, in PostgreSQL's text form."""
        if text is None or self.oracle_name in _UNSUPPORTED:
            return None
        if self.is_lob:
            return _cut(text, self.pg_type == "bytea", lob_limit)
        if self.oracle_type.strip().upper() == "NUMBER":
            return str(float(text)) if self.number_scale == -1 else _rounded(text, self.number_scale)
        if self.oracle_name in ("CHAR", "NCHAR") or self.pg_type.startswith("character("):
            return (text.rstrip(" ") if self.trims_char else text) or None
        if self.oracle_name in _TEXT or self.pg_type.startswith("character varying"):
            return text or None
        return text


def source_tables(source: psycopg.Connection[Any]) -> list[SourceTable]:
    return [SourceTable(*row) for row in source.execute(_TABLES).fetchall()]


def source_columns(
    source: psycopg.Connection[Any], table: SourceTable, endpoint: Endpoint | None = None
) -> list[SourceColumn]:
    """Return the columns of a table, in order, as the source endpoint carries them by its settings or the defaults."""
    scale = endpoint.setting("NumberDatatypeScale") if endpoint else None
    number_scale = 10 if scale is None else int(scale)
    trims_char = endpoint is None or str(endpoint.setting("TrimSpaceInChar")).lower() != "false"
    found = source.execute(_COLUMNS, (table.schema, table.name)).fetchall()
    return [replace(SourceColumn(*row), number_scale=number_scale, trims_char=trims_char) for row in found]


def logs_all_columns(source: psycopg.Connection[Any], table: SourceTable) -> bool:
    """Return whether the table has supplemental logging of all columns, not only of its primary key as DMS adds it."""
    query = "SELECT obj_description(format('%%I.%%I', %s::text, %s::text)::regclass, 'pg_class') = %s"
    row = source.execute(query, (table.schema, table.name, ALL_COLUMNS_LOGGED)).fetchone()
    return bool(row and row[0])


def rule_type(data_type: Mapping[str, Any]) -> str:
    """Return the PostgreSQL type of a mapping rule's ``data-type``."""
    name = str(data_type.get("type", "string"))
    if name == "numeric":
        return f"numeric({int(data_type.get('precision') or 38)},{int(data_type.get('scale') or 0)})"
    if name in ("string", "wstring"):
        return f"varchar({int(data_type.get('length') or 50)})"
    return _DMS_TYPES.get(name, "text")


def _lob(column: sql.Identifier, binary: bool, limit: int | None) -> sql.Composable:
    if binary:
        whole: sql.Composable = sql.SQL("nullif({}, ''::bytea)").format(column)
        cut = "substring({column} for {limit})"
    else:
        whole = sql.SQL("nullif({}, '')").format(column)
        # Cut before the character in which the limit lies: a byte 10xxxxxx belongs to the character before it.
        octet = "(get_byte(convert_to({column}, 'UTF8'), {limit} - %d) & 192) <> 128"
        back = " ".join(f"WHEN {octet % steps} THEN {steps}" for steps in (0, 1, 2))
        cut = f"convert_from(substring(convert_to({{column}}, 'UTF8') for {{limit}} - CASE {back} ELSE 3 END), 'UTF8')"
    if limit is None:
        return whole
    long = sql.SQL("CASE WHEN octet_length({column}) > {limit} THEN " + cut + " ELSE {whole} END")
    return long.format(column=column, limit=sql.Literal(limit), whole=whole)


def _cut(text: str, binary: bool, limit: int | None) -> str | None:
    if binary:
        digits = text.removeprefix("\\x")[: None if limit is None else 2 * limit]
        return f"\\x{digits}" if digits else None
    # The limit may lie within a character; ``ignore`` drops its first bytes.
    return text.encode()[:limit].decode(errors="ignore") or None


def _rounded(text: str, scale: int) -> str:
    """Return the number rounded to ``scale`` decimals, without trailing zeros; not rounded for a negative scale."""
    with localcontext() as context:
        context.prec = 2000
        number = Decimal(text)
        if not number.is_finite():
            return text
        rounded = number if scale < 0 else number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
        digits = format(rounded, "f")
        digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits == "-0" else digits
