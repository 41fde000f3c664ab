"""Merges a reload in a process of its own, for a test to stop; prints how that ended."""

from __future__ import annotations

import json
import sys
from typing import Any

import psycopg
import yaml
from psycopg.conninfo import conninfo_to_dict

from reload_assets.config.model import parse_config
from reload_assets.errors import ReloadError
from reload_assets.ledger.ledger import Ledger
from reload_assets.merge import Patience, merge_reload
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import group_tables
from reload_assets.tables import resolve_group
from reload_assets_tests.integration.merge_bench import GROUP, UPDATED_AT, bench_document


def main(asked: dict[str, Any]) -> None:
    """``asked``: the target's ``url``, the ``reload_id``, and how many ``attempts`` the merge has."""
    parts = {name: str(value) for name, value in conninfo_to_dict(asked["url"]).items()}
    target = TargetDatabase(parts["host"], int(parts["port"]), parts["dbname"], parts["user"], parts["password"])
    config = parse_config(yaml.safe_dump(bench_document({"customers": dict(UPDATED_AT)})))
    ledger = Ledger(target)
    with psycopg.connect(asked["url"], autocommit=True) as connection:
        tables = resolve_group(group_tables(config, GROUP), connection, None)
    patience = Patience(lock_timeout_ms=30_000, stall_limit_ms=400, attempts=asked["attempts"])
    try:
        result = merge_reload(target, ledger, ledger.get(asked["reload_id"]), tables, config.source.zone, patience)
        print(f"{result.attempts} attempts")  # noqa: T201
    except ReloadError as error:
        print(f"{type(error).__name__}: {error}")  # noqa: T201


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
