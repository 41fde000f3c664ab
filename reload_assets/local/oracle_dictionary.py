"""Oracle's dictionary views over PostgreSQL's catalog, in ``public``, so that they are found unqualified.

Like Oracle's ALL_ views they list what the login may read. A column without an Oracle type in its comment is not there.
V$DATABASE is only for logins to which it is granted.
"""

from __future__ import annotations

# Schemas count as users, except PostgreSQL's own.
_IS_USER = r"n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'public')"

_ALL_USERS = f"""
CREATE OR REPLACE VIEW public."ALL_USERS" AS
SELECT n.nspname::text AS "USERNAME", n.oid::bigint AS "USER_ID"
FROM pg_catalog.pg_namespace AS n
WHERE {_IS_USER}
"""

_ALL_TABLES = f"""
CREATE OR REPLACE VIEW public."ALL_TABLES" AS
SELECT
    n.nspname::text AS "OWNER",
    c.relname::text AS "TABLE_NAME",
    nullif(c.reltuples, -1)::bigint AS "NUM_ROWS"
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND {_IS_USER}
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""

# type[1] name, [2] size, [3] scale, [4] time zone, [5] invisible
_ALL_TAB_COLS = f"""
CREATE OR REPLACE VIEW public."ALL_TAB_COLS" AS
SELECT
    n.nspname::text AS "OWNER",
    c.relname::text AS "TABLE_NAME",
    a.attname::text AS "COLUMN_NAME",
    CASE
        WHEN o.type[1] = 'TIMESTAMP' THEN 'TIMESTAMP(' || coalesce(o.type[2], '6') || ')' || coalesce(o.type[4], '')
        ELSE o.type[1]
    END AS "DATA_TYPE",
    CASE
        WHEN o.type[1] IN ('NUMBER', 'FLOAT') THEN 22
        WHEN o.type[1] = 'DATE' THEN 7
        WHEN o.type[1] = 'TIMESTAMP' THEN CASE WHEN o.type[4] IS NULL THEN 11 ELSE 13 END
        WHEN o.type[1] IN ('CLOB', 'NCLOB', 'BLOB') THEN 4000
        WHEN o.type[1] = 'BINARY_FLOAT' THEN 4
        WHEN o.type[1] = 'BINARY_DOUBLE' THEN 8
        WHEN o.type[1] IN ('NCHAR', 'NVARCHAR2') THEN 2 * coalesce(o.type[2], '1')::integer
        ELSE coalesce(o.type[2], '1')::integer
    END AS "DATA_LENGTH",
    CASE
        WHEN o.type[1] = 'NUMBER' THEN nullif(o.type[2], '*')::integer
        WHEN o.type[1] = 'FLOAT' THEN coalesce(o.type[2], '126')::integer
    END AS "DATA_PRECISION",
    CASE
        WHEN o.type[1] = 'NUMBER' AND o.type[2] IS NOT NULL THEN coalesce(o.type[3], '0')::integer
        WHEN o.type[1] = 'TIMESTAMP' THEN coalesce(o.type[2], '6')::integer
    END AS "DATA_SCALE",
    CASE WHEN a.attnotnull THEN 'N' ELSE 'Y' END AS "NULLABLE",
    CASE
        WHEN o.type[5] IS NULL THEN row_number() OVER (PARTITION BY a.attrelid, o.type[5] ORDER BY a.attnum)
    END AS "COLUMN_ID",
    CASE
        WHEN o.type[1] IN ('CHAR', 'NCHAR', 'VARCHAR', 'VARCHAR2', 'NVARCHAR2') THEN coalesce(o.type[2], '1')::integer
        ELSE 0
    END AS "CHAR_LENGTH",
    CASE WHEN o.type[5] IS NULL THEN 'NO' ELSE 'YES' END AS "HIDDEN_COLUMN",
    CASE WHEN a.attgenerated = '' THEN 'NO' ELSE 'YES' END AS "VIRTUAL_COLUMN",
    CASE
        WHEN o.type[1] IN ('CHAR', 'NCHAR', 'VARCHAR', 'VARCHAR2', 'NVARCHAR2', 'CLOB', 'NCLOB') THEN
            coalesce(
                substring(pg_catalog.col_description(c.oid, a.attnum) FROM ' COLLATE ([A-Z0-9_]+)'), 'USING_NLS_COMP'
            )
    END AS "COLLATION"
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
CROSS JOIN LATERAL (
    SELECT regexp_match(
        pg_catalog.col_description(c.oid, a.attnum),
        '^([A-Z][A-Z0-9_]*)(?:\\(([0-9]+|\\*)(?: (?:CHAR|BYTE))?(?:,(-?[0-9]+))?\\))?'
        || '( WITH (?:LOCAL )?TIME ZONE)?(?: COLLATE [A-Z0-9_]+)?( INVISIBLE)?$'
    ) AS type
) AS o
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND {_IS_USER} AND o.type IS NOT NULL
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""

_ALL_TAB_COLUMNS = """
CREATE OR REPLACE VIEW public."ALL_TAB_COLUMNS" AS
SELECT
    "OWNER", "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "DATA_LENGTH", "DATA_PRECISION", "DATA_SCALE", "NULLABLE",
    "COLUMN_ID", "CHAR_LENGTH", "COLLATION"
FROM public."ALL_TAB_COLS"
WHERE "HIDDEN_COLUMN" = 'NO'
"""

_ALL_CONSTRAINTS = f"""
CREATE OR REPLACE VIEW public."ALL_CONSTRAINTS" AS
SELECT
    n.nspname::text AS "OWNER",
    k.conname::text AS "CONSTRAINT_NAME",
    CASE k.contype WHEN 'p' THEN 'P' WHEN 'u' THEN 'U' WHEN 'f' THEN 'R' ELSE 'C' END AS "CONSTRAINT_TYPE",
    c.relname::text AS "TABLE_NAME",
    parent_schema.nspname::text AS "R_OWNER",
    parent_key.conname::text AS "R_CONSTRAINT_NAME",
    'ENABLED' AS "STATUS",
    CASE WHEN k.convalidated THEN 'VALIDATED' ELSE 'NOT VALIDATED' END AS "VALIDATED"
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_constraint AS parent_key
    ON k.contype = 'f' AND parent_key.conindid = k.conindid AND parent_key.contype IN ('p', 'u')
LEFT JOIN pg_catalog.pg_namespace AS parent_schema ON parent_schema.oid = parent_key.connamespace
WHERE k.contype IN ('p', 'u', 'f', 'c') AND {_IS_USER}
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""

_ALL_CONS_COLUMNS = f"""
CREATE OR REPLACE VIEW public."ALL_CONS_COLUMNS" AS
SELECT
    n.nspname::text AS "OWNER",
    k.conname::text AS "CONSTRAINT_NAME",
    c.relname::text AS "TABLE_NAME",
    a.attname::text AS "COLUMN_NAME",
    -- As in Oracle, a check constraint's columns have no position.
    CASE WHEN k.contype <> 'c' THEN u.position END AS "POSITION"
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS u (attnum, position)
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = u.attnum
WHERE k.contype IN ('p', 'u', 'f', 'c') AND {_IS_USER}
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""

# DMS itself adds a log group of the primary key. If a user added ALL COLUMNS, the table's comment says so.
_ALL_LOG_GROUPS = f"""
CREATE OR REPLACE VIEW public."ALL_LOG_GROUPS" AS
SELECT
    n.nspname::text AS "OWNER",
    'SYS_C' || c.oid AS "LOG_GROUP_NAME",
    c.relname::text AS "TABLE_NAME",
    CASE
        WHEN obj_description(c.oid, 'pg_class') = 'SUPPLEMENTAL LOG DATA (ALL) COLUMNS' THEN 'ALL COLUMN LOGGING'
        ELSE 'PRIMARY KEY LOGGING'
    END AS "LOG_GROUP_TYPE",
    'ALWAYS' AS "ALWAYS",
    'GENERATED NAME' AS "GENERATED"
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND {_IS_USER}
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""

# The archive of the redo log is what the stand-in's log decoding needs, and the publication what it logs of a change.
_DATABASE = """
CREATE OR REPLACE VIEW public."V$DATABASE" AS
SELECT
    current_database()::text AS "NAME",
    CASE current_setting('wal_level') WHEN 'logical' THEN 'ARCHIVELOG' ELSE 'NOARCHIVELOG' END AS "LOG_MODE",
    CASE
        WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_publication AS p WHERE p.pubname = 'dms_supplemental_log') THEN 'YES'
        ELSE 'NO'
    END AS "SUPPLEMENTAL_LOG_DATA_MIN",
    'NO' AS "SUPPLEMENTAL_LOG_DATA_PK",
    'NO' AS "SUPPLEMENTAL_LOG_DATA_ALL"
"""

_INDEXED = """
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
"""
# Partial unique indexes are left out, because Oracle's indexes have no WHERE.
_IS_INDEX = f"""
WHERE i.indpred IS NULL AND {_IS_USER}
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""
_ALL_INDEXES = f"""
CREATE OR REPLACE VIEW public."ALL_INDEXES" AS
SELECT
    n.nspname::text AS "OWNER",
    x.relname::text AS "INDEX_NAME",
    n.nspname::text AS "TABLE_OWNER",
    c.relname::text AS "TABLE_NAME",
    CASE WHEN i.indisunique THEN 'UNIQUE' ELSE 'NONUNIQUE' END AS "UNIQUENESS",
    CASE WHEN i.indisvalid THEN 'VALID' ELSE 'UNUSABLE' END AS "STATUS"
{_INDEXED}{_IS_INDEX}"""

_ALL_IND_COLUMNS = f"""
CREATE OR REPLACE VIEW public."ALL_IND_COLUMNS" AS
SELECT
    n.nspname::text AS "INDEX_OWNER",
    x.relname::text AS "INDEX_NAME",
    n.nspname::text AS "TABLE_OWNER",
    c.relname::text AS "TABLE_NAME",
    -- As Oracle names the hidden column that holds an expression.
    coalesce(a.attname::text, 'SYS_NC' || lpad(k.position::text, 5, '0') || '$') AS "COLUMN_NAME",
    k.position AS "COLUMN_POSITION"
{_INDEXED}CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
{_IS_INDEX}"""

_GRANT = """
GRANT SELECT ON public."ALL_USERS", public."ALL_TABLES", public."ALL_TAB_COLS", public."ALL_TAB_COLUMNS",
    public."ALL_CONSTRAINTS", public."ALL_CONS_COLUMNS", public."ALL_INDEXES", public."ALL_IND_COLUMNS",
    public."ALL_LOG_GROUPS" TO PUBLIC
"""

DICTIONARY_VIEWS: tuple[str, ...] = (
    _ALL_USERS,
    _ALL_TABLES,
    _ALL_TAB_COLS,
    _ALL_TAB_COLUMNS,
    _ALL_CONSTRAINTS,
    _ALL_CONS_COLUMNS,
    _ALL_LOG_GROUPS,
    _DATABASE,
    _ALL_INDEXES,
    _ALL_IND_COLUMNS,
    _GRANT,
)
"""The statements that create the views, in one transaction."""
