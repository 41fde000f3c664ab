"""Confirm without a source connection: rows are read again by a DMS task with a filter on their key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from reload_assets.cdc.position import Cdc
from reload_assets.config.model import MergeConfig, ReloadConfig
from reload_assets.confirm import Confirmed, Confirmer
from reload_assets.confirm.reread_by_dms import LoadedRows
from reload_assets.dms.tasks import LoadTasks, PollLimits
from reload_assets.errors.reloads import KeyTextDiffers
from reload_assets.ledger.records import Reload
from reload_assets.local.dms import DmsStandIn
from reload_assets.local.oracle import OracleColumn, OracleTable
from reload_assets.local.postgres import PostgresServer
from reload_assets.reload.parts import dms_engine
from reload_assets_tests.integration.confirm_bench import ConfirmBench, confirm_bench
from reload_assets_tests.integration.merge_bench import NOON, UPDATED_AT
from reload_assets_tests.integration.standin_bench import Bench
from reload_assets_tests.integration.throwaway import throwaway_database

LIMITS = PollLimits(
    interval=0.05, max_interval=0.1, ready_timeout=30, load_timeout=60, remove_timeout=30, call_attempts=6
)
UPPER = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"
Make = Callable[..., ConfirmBench]


@pytest.fixture(scope="module")
def dms(postgres: PostgresServer) -> Iterator[tuple[Bench, str, str]]:
    with (
        throwaway_database(postgres, "loaded_target") as target,
        throwaway_database(postgres, "loaded_source") as source,
        DmsStandIn(create_delay=0.01, start_delay=0.01, stop_delay=0.01, delete_delay=0.01) as stand_in,
    ):
        bench = Bench(stand_in.url, source, target)
        bench.test_connections()
        yield bench, target, source


@pytest.fixture
def make(dms: tuple[Bench, str, str]) -> Iterator[Make]:
    made: list[Any] = []

    def one(columns: dict[str, tuple[str, str]], key: list[str]) -> ConfirmBench:
        oracle = [OracleColumn(name.upper(), kind, nullable=False) for name, (kind, _) in columns.items()]
        table = OracleTable("T", [*oracle, OracleColumn("UPDATED_AT", "TIMESTAMP(6)")], [name.upper() for name in key])
        types = ", ".join(f"{name} {target}" for name, (_, target) in columns.items())
        ddl = f"CREATE TABLE production.t ({types}, updated_at timestamp, PRIMARY KEY ({', '.join(key)}))"
        entered = confirm_bench(*dms[1:], ddl, [table], {"t": UPDATED_AT})
        made.append(entered)
        bench: ConfirmBench = entered.__enter__()
        return bench

    yield one
    for entered in made:
        entered.__exit__(None, None, None)


def confirm(dms: Bench, bench: ConfirmBench, reload: Reload) -> Confirmed:
    made = bench.made
    arns = {
        "replication_instance_arn": dms.instance,
        "source_endpoint_arn": dms.source,
        "target_endpoint_arn": dms.target,
    }
    config: ReloadConfig = made.config.model_copy(update={"dms": made.config.dms.model_copy(update=arns)})
    rows = LoadedRows(dms_engine(config), made.target, LoadTasks(dms.client, LIMITS), reload, None)
    return Confirmer(
        target=made.target,
        ledger=made.ledger,
        reload=reload,
        tables=made.resolve(),
        zone=config.source.zone,
        settings=MergeConfig(stall_limit_ms=999, attempts=3),
        source=rows,
        cdc=cast(Cdc, bench.cdc),
        fence=None,
        say=lambda text: None,
    ).run()


@pytest.mark.parametrize(
    ("columns", "key", "row"),
    [
        ({"b": ("NUMBER(1)", "boolean"), "k": ("NUMBER(9)", "integer")}, ["b", "k"], ("1", 7)),
        ({"k": ("RAW(16)", "bytea"), "n": ("VARCHAR2(9)", "text")}, ["k", "n"], (b"\x00\xff", "it's 5%")),
        ({"k": ("VARCHAR2(36)", "uuid"), "n": ("NUMBER", "numeric")}, ["k", "n"], (UPPER, 1)),
        ({"d": ("TIMESTAMP(6)", "timestamp")}, ["d"], ("2025-01-03 08:00:00.123456",)),
        ({"d": ("DATE", "timestamp")}, ["d"], ("2025-01-03 08:00:00",)),
        ({"k": ("NUMBER", "numeric(38,10)")}, ["k"], ("0.0000001",)),
        ({"k": ("CHAR(10)", "char(10)")}, ["k"], ("ab",)),
    ],
)
def test_a_row_of_whatever_key_is_found(
    dms: tuple[Bench, str, str], make: Make, columns: dict[str, tuple[str, str]], key: list[str], row: tuple[Any, ...]
) -> None:
    bench = make(columns, key)
    marks = ", ".join(["%s"] * (len(row) + 1))
    bench.source.execute(f'INSERT INTO "SALES"."T" VALUES ({marks})'.encode(), (*row, NOON))
    confirmed = confirm(dms[0], bench, bench.merge({"t": [(*row, NOON)]}))
    assert (confirmed.settled, confirmed.corrections) == (True, 0)
    assert bench.rows("SELECT count(*) FROM production.t") == [(1,)]


def test_a_key_that_the_filter_does_not_find_stops_confirm(dms: tuple[Bench, str, str], make: Make) -> None:
    bench = make({"k": ("NUMBER", "numeric")}, ["k"])
    bench.source.execute(f"""INSERT INTO "SALES"."T" VALUES (0.123456789012, '{NOON}')""".encode())
    reload = bench.merge({"t": [("0.123456789", NOON)]})
    with pytest.raises(
        KeyTextDiffers, match=r"for example \(k\)=\(0.123456789\) in SALES.T, which lists it among the rows"
    ):
        confirm(dms[0], bench, reload)
    assert bench.rows("SELECT count(*) FROM production.t") == [(1,)]


def test_a_purge_since_the_load_is_believed(dms: tuple[Bench, str, str], make: Make) -> None:
    bench = make({"k": ("NUMBER", "numeric")}, ["k"])
    confirmed = confirm(dms[0], bench, bench.merge({"t": [("0.123456789", NOON), ("1", NOON)]}))
    assert (confirmed.settled, confirmed.corrections) == (True, 2)
    assert bench.rows("SELECT count(*) FROM production.t") == [(0,)]
