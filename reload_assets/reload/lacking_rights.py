"""Names the right that is missing where a group's rows are read before a reload of them is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import InsufficientPrivilege

from reload_assets.preflight.rights import require_rights
from reload_assets.reload.parts import group_tables
from reload_assets.reload.services import Services
from reload_assets.tables import resolve_group


@contextmanager
def naming_rights(services: Services, group: str) -> Iterator[None]:
    """Raise RightsMissing, with the GRANT, if PostgreSQL does not let the login read the group's tables."""
    try:
        yield
    except InsufficientPrivilege:
        with services.source() as reader, services.target.connect(autocommit=True) as connection:
            tables = resolve_group(group_tables(services.config, group), connection, reader)
            require_rights(connection, str(services.target), services.config.target.staging_schema, tables)
        raise
