"""Installs and upgrades the schemas ``admin`` and ``staging``: numbered files once each, views always."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from reload_assets.config.model import TargetConfig
from reload_assets.postgres.statements import names, run


def install(connection: Connection[Any], target: TargetConfig) -> list[str]:
    """Bring the schemas up to date in one transaction; the names of what was applied. Running it again is harmless."""
    parts = {"staging_schema": target.staging_schema, "production_schema": target.production_schema}
    applied = []
    with connection.transaction():
        run(connection, "ddl/lock_install")
        for schema in ("admin", target.staging_schema):
            # Not IF NOT EXISTS, which wants the right to create schemas even where there is nothing to create.
            if run(connection, "ddl/find_schema", None, schema=schema).fetchone() is None:
                run(connection, "ddl/create_schema", {"schema": schema})
        run(connection, "ddl/schema_versions")
        known = {row[0] for row in run(connection, "ddl/list_versions").fetchall()}
        for name in names("ddl"):
            number = name.removeprefix("ddl/")[:4]
            if number.isdigit() and int(number) not in known:
                run(connection, name, parts)
                run(connection, "ddl/insert_version", version=int(number), name=name)
                applied.append(name)
        run(connection, "ddl/drop_views")
        for name in names("views"):
            run(connection, name, parts)
    return applied
