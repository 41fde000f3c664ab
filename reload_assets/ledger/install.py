"""Installs and upgrades the schemas ``admin`` and ``staging``: numbered files once each, views always."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from reload_assets.config.model import TargetConfig
from reload_assets.postgres.session import create_schema
from reload_assets.postgres.statements import file_names, run

VIEWS = (
    "merge_logs",
    "merge_summary",
    "oracle_pg_migration_status",
    "oracle_pg_type_verification",
    "window_status",
    "key_status",
    "metrics",
)
"""The views in the order in which they are created: ``metrics`` reads ``window_status``."""


def install(connection: Connection[Any], target: TargetConfig) -> list[str]:
    """Bring the schemas up to date in one transaction. Returns the names of what was applied.

    It may be run again at any time.
    """
    parts = {"staging_schema": target.staging_schema, "production_schema": target.production_schema}
    applied = []
    with connection.transaction():
        run(connection, "ddl/install:lock_install")
        for schema in ("admin", target.staging_schema):
            # IF NOT EXISTS would demand the right to create schemas even if the schema is there.
            if run(connection, "ddl/install:find_schema", schema=schema).fetchone() is None:
                create_schema(connection, schema)
        run(connection, "ddl/install:create_versions")
        known = {row[0] for row in run(connection, "ddl/install:list_versions").fetchall()}
        for name in file_names("ddl"):
            number = name.removeprefix("ddl/")[:4]
            if number.isdigit() and int(number) not in known:
                run(connection, name, parts)
                run(connection, "ddl/install:insert_version", file_number=int(number), file_name=name)
                applied.append(name)
        run(connection, "ddl/install:drop_views")
        for name in VIEWS:
            run(connection, f"views/{name}", parts)
    return applied
