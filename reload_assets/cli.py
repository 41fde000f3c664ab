"""``reload-assets``: what is done once, before Dagster takes over: install the schemas, check the configuration."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import psycopg
from psycopg import Connection, sql

from reload_assets.config.model import ReloadConfig, load_config, text
from reload_assets.config.reference import reference
from reload_assets.errors import ReloadError
from reload_assets.ledger.install import install
from reload_assets.postgres.catalog import leading_columns
from reload_assets.reload.logins import SecretLookup
from reload_assets.reload.parts import beside_cdc, dms_engine, group_tables
from reload_assets.reload.services import Services
from reload_assets.tables import ReloadTable, resolve_group


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if all is well, 1 with a sentence on stderr otherwise."""
    parser = argparse.ArgumentParser(prog="reload-assets", description=__doc__)
    parser.add_argument("--config", help="path of reload.yaml (default: RELOAD_CONFIG, or ./reload.yaml)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="create or upgrade the schemas admin and staging in the target")
    commands.add_parser("check", help="check reload.yaml against production, the source and DMS, changing nothing")
    commands.add_parser("reference", help="print the reference of reload.yaml (docs/configuration.md)")
    options = parser.parse_args(arguments)
    if options.command == "reference":
        print(reference(), end="")
        return 0
    try:
        config = load_config(options.config)
        services = Services(config, _secrets(config))
        if options.command == "install":
            _install(services)
        else:
            _check(services)
    except ReloadError as error:
        print(error, file=sys.stderr)
        return 1
    except psycopg.Error as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print(f"{config.file}: target.connection: PostgreSQL says: {said}; fix its cause there.", file=sys.stderr)
        return 1
    return 0


def _install(services: Services) -> None:
    with services.target.connect(autocommit=True) as connection:
        applied = install(connection, services.config.target)
    print(f"{len(applied)} schema files applied: {', '.join(applied) or 'all were there'}; views recreated")


def _check(services: Services) -> None:
    from reload_assets.partitions import cadence_partitions

    config = services.config
    cadence_partitions(config.windows, config.file)
    groups: dict[str, list[ReloadTable]] = {}
    with services.source() as reader, services.target.connect() as connection:
        for group in config.groups:
            groups[group] = resolve_group(group_tables(config, group), connection, reader)
            for table in groups[group]:
                print(
                    f"{group}.{table.name}: {config.source.schema_name}.{table.source_table} -> {table.target}, "
                    f"{len(table.columns)} columns, key ({', '.join(column.name for column in table.key)}), "
                    f"window {table.window.name}, version {table.version.name}"
                )
                _warn_of_scans(connection, table)
                if reader is None:
                    print(f"warning: whether that is a key of {table.source_table} could not be verified")
    if reader is None:
        print("source: no connection is configured; checks that need it will say 'could not verify'")
    _check_cdc(services, groups)
    services.load_tasks(_patience(services)).check_endpoints(*dms_engine(config).arns())
    print("DMS: the endpoints are of the right kind and tested from the replication instance")


def _warn_of_scans(connection: Connection[Any], table: ReloadTable) -> None:
    """Production is looked at by its window column, several times a reload."""
    schema, name, column = table.production.schema, table.production.name, table.window.name
    if column not in leading_columns(connection, schema, name):
        create = sql.SQL("CREATE INDEX CONCURRENTLY ON {} ({})").format(
            sql.Identifier(schema, name), sql.Identifier(column)
        )
        print(
            f"warning: {table.target} has no index that begins with {column}: every reload scans the whole table for "
            f"its window; create one: {create.as_string()}"
        )


def _check_cdc(services: Services, groups: Mapping[str, Sequence[ReloadTable]]) -> None:
    """Whether the control tables can be read and the tasks carry their tables; one that is stopped is no error."""
    from reload_assets.cdc.obstacles import require_carried

    config = services.config
    if config.cdc is None:
        print("cdc: no CDC task is configured; whether production is being written meanwhile is not known")
        return
    looked_at: set[str] = set()
    for group, tables in groups.items():
        cdc = services.cdc(group, print, _patience(services))
        assert cdc is not None
        if cdc.task.arn not in looked_at:
            looked_at.add(cdc.task.arn)
            ready, why = cdc.look()
            with services.target.connect(autocommit=True) as connection:
                cdc.skipped(connection, [], datetime.now(timezone.utc))
            lag = "" if ready.lag_seconds is None else f" and lags {ready.lag_seconds:.1f} s"
            print(f"cdc: {why}" if why else f"cdc: the task {cdc.task.arn} is {ready.status}{lag}")
        for remark in require_carried(cdc, beside_cdc(config, group), tables):
            print(f"warning: {group}: {remark}")


def _patience(services: Services) -> float:
    """As long as is configured for a task to become ready, with few tries of a call: somebody waits for the answer."""
    return services.config.dms.polling.ready_timeout_seconds


def _secrets(config: ReloadConfig) -> SecretLookup:
    """Looks secrets up where Dagster's resource does: in the region of DMS."""

    def look_up(name: str) -> str:
        import boto3

        client = boto3.client("secretsmanager", region_name=text(config.dms.region, f"{config.file}: dms.region"))
        return str(client.get_secret_value(SecretId=name)["SecretString"])

    return look_up


if __name__ == "__main__":
    sys.exit(main())
