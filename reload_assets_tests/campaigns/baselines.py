"""Other ways to merge staging into production, run on the same harness for comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection, sql

from reload_assets_tests.campaigns.tables import Specs

# The merge that most scripts make, update and then insert, in one transaction:
# rows that are newer are updated, rows that are missing are inserted. (That it marks all of staging as processed plays
# no part here.)
_SEED = (
    """
    UPDATE {production} AS p SET {assignments_staged}
    FROM {staging} AS s
    WHERE {same_key} AND s.{version} > p.{version}
    """,
    """
    INSERT INTO {production} ({columns})
    SELECT {staged_columns}
    FROM {staging} AS s
    LEFT JOIN {production} AS p ON {same_key}
    WHERE p.{first_key} IS NULL
    """,
)
_UPSERT = (
    """
    INSERT INTO {production} AS p ({columns})
    SELECT {staged_columns} FROM {staging} AS s
    ON CONFLICT ({key}) DO UPDATE SET {assignments_excluded}
    WHERE excluded.{version} > p.{version}
    """,
)
STATEMENTS: Mapping[str, tuple[str, ...]] = {"seed": _SEED, "upsert": _UPSERT}
"""The merges by name: the statements of one table, in their order."""


def merge(connection: Connection[Any], specs: Specs, how: str, staging: Mapping[str, str]) -> None:
    """Merge every table in the caller's transaction, parents first; ``staging`` has the staging tables by table."""
    for name, spec in specs.items():
        others = [column for column in spec.columns if column not in spec.key]
        parts: dict[str, sql.Composable] = {
            "production": sql.Identifier("production", name),
            "staging": sql.Identifier("staging", staging[name]),
            "version": sql.Identifier(spec.version),
            "first_key": sql.Identifier(spec.key[0]),
            "key": _list("{}", spec.key),
            "columns": _list("{}", spec.columns),
            "staged_columns": _list("s.{}", spec.columns),
            "same_key": _list("p.{0} = s.{0}", spec.key, " AND "),
            "assignments_staged": _list("{0} = s.{0}", others),
            "assignments_excluded": _list("{0} = excluded.{0}", others),
        }
        for statement in STATEMENTS[how]:
            connection.execute(sql.SQL(statement).format(**parts))


def _list(pattern: str, columns: tuple[str, ...] | list[str], between: str = ", ") -> sql.Composed:
    return sql.SQL(between).join(sql.SQL(pattern).format(sql.Identifier(column)) for column in columns)
