"""Confirms a merged reload in a process of its own, for a test to stop or to kill; prints how that ended."""

from __future__ import annotations

import json
import sys
from typing import Any, cast

import psycopg
import yaml
from psycopg.conninfo import conninfo_to_dict

from reload_assets.cdc.position import Cdc
from reload_assets.config.model import MergeConfig, parse_config
from reload_assets.confirm import Confirmer
from reload_assets.confirm.reread import ReaderRows
from reload_assets.errors import ReloadError
from reload_assets.ledger.ledger import Ledger
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import group_tables
from reload_assets.source.reader import SourceReader, source_url
from reload_assets.tables import resolve_group
from reload_assets_tests.integration.confirm_bench import SCHEMA, ScriptedCdc
from reload_assets_tests.integration.merge_bench import GROUP, bench_document


def main(asked: dict[str, Any]) -> None:
    """``asked``: the ``target`` and the ``source`` as URLs, the ``reload_id``, the ``tables`` and ``merge``."""
    parts, source = ({k: str(v) for k, v in conninfo_to_dict(asked[side]).items()} for side in ("target", "source"))
    target = TargetDatabase(parts["host"], int(parts["port"]), parts["dbname"], parts["user"], parts["password"])
    config = parse_config(yaml.safe_dump(bench_document(asked["tables"])))
    url = source_url(
        "postgresql",
        host=source["host"],
        port=int(source["port"]),
        database=source["dbname"],
        user=source["user"],
        password=source["password"],
    )
    reader = SourceReader(url, SCHEMA)
    ledger = Ledger(target)
    reload = ledger.get(asked["reload_id"])
    with psycopg.connect(asked["target"], autocommit=True) as connection:
        tables = resolve_group(group_tables(config, GROUP), connection, reader, reload.tables)
    try:
        confirmed = Confirmer(
            target=target,
            ledger=ledger,
            reload=reload,
            tables=tables,
            zone=config.source.zone,
            # Longer waits and smaller chunks than a configuration may ask for: the test holds the gate.
            settings=MergeConfig().model_copy(update=asked["merge"]),
            source=ReaderRows(reader),
            cdc=cast(Cdc, ScriptedCdc()),
            fence=None,
            say=lambda text: None,
        ).run()
        print(f"settled: {confirmed.settled}")  # noqa: T201
    except ReloadError as error:
        print(f"{type(error).__name__}: {error}")  # noqa: T201
    finally:
        reader.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
