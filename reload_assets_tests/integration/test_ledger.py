"""The ledger says truly what became of a reload, and lets no two overlap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import psycopg
import pytest

from reload_assets.config.model import parse_config
from reload_assets.engines.staging_tables import create_staging, drop_expired_staging, finish_staging
from reload_assets.errors import code_of
from reload_assets.errors.reloads import ReloadUnknown, StagingGone, WindowBusy
from reload_assets.errors.target import DatabaseUnreachable
from reload_assets.ledger.install import install
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import CheckResult, Opening, Reload, staging_name
from reload_assets.local.postgres import PostgresServer
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.parts import group_tables
from reload_assets.resolved import definition
from reload_assets.tables import ReloadTable, resolve_group
from reload_assets.windows import Window
from reload_assets_tests.integration.test_tables import DDL, HEAD

CONFIG = parse_config(
    HEAD + "      customers: {window_column: updated_at}\n      orders: {window_column: updated_at}\n"
)
DAY = Window(datetime(2025, 1, 2, tzinfo=timezone.utc), datetime(2025, 1, 3, tzinfo=timezone.utc))
BOUNDS = (datetime(2025, 1, 2), datetime(2025, 1, 3))


@pytest.fixture
def target(postgres: PostgresServer, new_database: Callable[[str], str]) -> TargetDatabase:
    url = new_database("ledger")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(DDL)
        install(connection, CONFIG.target)
    return TargetDatabase("127.0.0.1", postgres.port, url.rsplit("/", 1)[1], postgres.superuser, postgres.password)


def tables_of(target: TargetDatabase) -> list[ReloadTable]:
    with target.connect() as connection:
        return resolve_group(group_tables(CONFIG, "sales"), connection, None)


def open_reload(target: TargetDatabase, window: Window = DAY) -> Reload:
    ledger = Ledger(target)
    tables = tables_of(target)
    with target.connect() as connection:
        reload = ledger.open(
            connection, Opening("sales", window, window, "2025-01-02", "me", "", "run-1", None), tables
        )
        for table in tables:
            create_staging(connection, "staging", reload, table, None)
            ledger.add_table(connection, reload.reload_id, table, "staging", definition(table))
            ledger.expect_checks(connection, reload.reload_id, table.name, ["row_count", "keys"])
    return reload


def result(table: str, check: str, status: str, *, blocking: bool = True) -> CheckResult:
    return CheckResult(table, check, status, blocking, "said so")


def test_the_installation_can_be_run_again(target: TargetDatabase) -> None:
    with target.connect(autocommit=True) as connection:
        assert install(connection, CONFIG.target) == []


def test_an_overlapping_reload_of_the_group_is_refused_until_the_first_ends(target: TargetDatabase) -> None:
    first = open_reload(target)
    with pytest.raises(WindowBusy, match=r"by reload 1 of sales 2025-01-02 \(run run-1\)"):
        open_reload(target, Window(DAY.end - timedelta(microseconds=1), DAY.end + timedelta(days=1)))
    open_reload(target, Window(DAY.end, DAY.end + timedelta(days=1)))
    assert Ledger(target).close(first.reload_id, "failed", "it broke")
    assert Ledger(target).get(first.reload_id).error == "it broke"
    assert open_reload(target).reload_id > first.reload_id


def test_a_refused_opening_leaves_nothing(target: TargetDatabase) -> None:
    open_reload(target)
    with pytest.raises(WindowBusy):
        open_reload(target)
    with target.connect() as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'staging' ORDER BY 1").fetchall()
    assert found == [("customers_r1",), ("orders_r1",)]


def test_the_verdict_needs_every_blocking_check(target: TargetDatabase) -> None:
    ledger, reload = Ledger(target), open_reload(target)
    ledger.set_task(reload.reload_id, "task", "arn")
    ledger.set_loaded(reload.reload_id, "FULL_LOAD_ONLY_FINISHED", {"orders": 3})
    number = reload.reload_id
    assert ledger.record_checks(number, "orders", [result("orders", "keys", "passed")]) == "loaded"
    assert ledger.record_checks(number, "orders", [result("orders", "row_count", "passed")]) == "loaded"
    assert ledger.record_checks(number, "customers", [result("customers", "keys", "passed")]) == "loaded"
    warned = result("customers", "row_count", "could not verify", blocking=False)
    assert ledger.record_checks(number, "customers", [warned]) == "verified"
    assert ledger.record_checks(number, "orders", [result("orders", "keys", "failed")]) == "rejected"
    assert "orders.keys failed: said so" in str(ledger.get(number).error)
    assert ledger.record_checks(number, "orders", [result("orders", "keys", "passed")]) == "verified"
    assert ledger.get(number).error is None
    assert ledger.tables(number)["orders"].dms_rows == 3


def test_checks_of_a_closed_reload_change_nothing(target: TargetDatabase) -> None:
    ledger, reload = Ledger(target), open_reload(target)
    ledger.close(reload.reload_id, "cancelled", "enough")
    assert ledger.record_checks(reload.reload_id, "orders", [result("orders", "keys", "passed")]) is None
    assert {check.status for check in ledger.checks(reload.reload_id)} == {"pending"}


def test_hazard_03_staging_is_trimmed_to_the_half_open_window(target: TargetDatabase) -> None:
    """A load takes a second too much on either side; farther out is a filter that did not work, left to be found."""
    ledger, reload = Ledger(target), open_reload(target)
    orders = next(table for table in tables_of(target) if table.name == "orders")
    stamps = [
        "2025-01-01 23:59:58.999999",  # outside the filter
        "2025-01-01 23:59:59.5",  # in the filter, before the window
        "2025-01-02 00:00:00",
        "2025-01-02 23:59:59.5",
        "2025-01-02 23:59:59.999999",
        "2025-01-03 00:00:00",  # the end, which the filter includes
        "2025-01-03 00:00:01.000001",  # outside the filter
    ]
    place = staging_name(orders, reload.reload_id)
    with target.connect() as connection:
        for number, stamp in enumerate(stamps):
            connection.execute(
                f"INSERT INTO staging.{place} (order_id, updated_at) VALUES (%s, %s)",
                (number, stamp),
            )
        counts = finish_staging(
            connection,
            ledger,
            "staging",
            reload,
            orders,
            bounds=BOUNDS,
            filter_bounds=(BOUNDS[0] - timedelta(seconds=1), BOUNDS[1] + timedelta(seconds=1)),
            load_role=None,
        )
        left = connection.execute(f"SELECT order_id FROM staging.{place} ORDER BY 1").fetchall()
    assert counts == (5, 2)
    assert [row[0] for row in left] == [0, 2, 3, 4, 6]


def test_staging_is_keyed_only_where_its_rows_allow_it(target: TargetDatabase) -> None:
    ledger, reload = Ledger(target), open_reload(target)
    customers, orders = tables_of(target)
    with target.connect() as connection:
        connection.execute("INSERT INTO staging.customers_r1 (customer_id) VALUES (1), (1)")
        connection.execute("INSERT INTO staging.orders_r1 (order_id) VALUES (1), (2)")
        for table in (customers, orders):
            finish_staging(
                connection, ledger, "staging", reload, table, bounds=BOUNDS, filter_bounds=BOUNDS, load_role=None
            )
        keyed = connection.execute(
            "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'p' AND "
            "connamespace = 'staging'::regnamespace"
        ).fetchall()
    assert keyed == [("staging.orders_r1",)]


def test_expired_staging_is_dropped_and_the_ledger_stays(target: TargetDatabase) -> None:
    ledger, reload = Ledger(target), open_reload(target)
    assert drop_expired_staging(target, ledger, 0) == []
    ledger.close(reload.reload_id, "failed", "why")
    assert drop_expired_staging(target, ledger, 1) == []
    assert drop_expired_staging(target, ledger, 0) == ["staging.customers_r1", "staging.orders_r1"]
    assert drop_expired_staging(target, ledger, 0) == []
    assert ledger.tables(reload.reload_id)["orders"].staging_dropped_at is not None


def test_the_code_of_an_error_is_beside_it_in_the_ledger(target: TargetDatabase) -> None:
    ledger, reload = Ledger(target), open_reload(target)
    gone = str(StagingGone(reload.title, "staging.orders_r1"))
    ledger.set_task(reload.reload_id, "task", "arn")
    ledger.set_loaded(reload.reload_id, "FULL_LOAD_ONLY_FINISHED", {})
    ledger.record_checks(
        reload.reload_id,
        "orders",
        [CheckResult("orders", "keys", "could not verify", True, gone), result("orders", "row_count", "passed")],
    )
    with target.connect() as connection:
        checks = connection.execute(
            "SELECT check_name, error_code FROM admin.reload_checks WHERE table_name = 'orders' ORDER BY 1"
        ).fetchall()
        shown = connection.execute("SELECT DISTINCT error_code FROM admin.window_status").fetchall()
    assert checks == [("keys", "staging-gone"), ("row_count", None)]
    # The verdict quotes the check.
    assert shown == [("staging-gone",)]


@pytest.mark.parametrize("text", ["", "[id]", "It broke.", "a [b-c]. d [e-f-2]", "[staging-gone] later", "x\ny [a-b]"])
def test_the_ledger_reads_codes_as_python_does(target: TargetDatabase, text: str) -> None:
    reload = open_reload(target)
    Ledger(target).close(reload.reload_id, "failed", text)
    with target.connect() as connection:
        assert connection.execute("SELECT error_code FROM admin.reloads").fetchone() == (code_of(text),)


def test_an_unknown_reload_is_named(target: TargetDatabase) -> None:
    with pytest.raises(ReloadUnknown, match="77"):
        Ledger(target).get(77)


@pytest.mark.parametrize("wrong", ["password", "port", "database"])
def test_a_login_that_fails_is_one_sentence_without_the_password(target: TargetDatabase, wrong: str) -> None:
    values = {"password": "s3cret-but-wrong", "port": 1, "database": "nowhere"}
    login = TargetDatabase(**{**target.__dict__, wrong: values[wrong]})
    with pytest.raises(DatabaseUnreachable) as caught:
        login.connect()
    message = str(caught.value)
    assert message.startswith("target.connection: cannot log in to PostgreSQL as postgres@127.0.0.1:")
    assert str(login.password) not in message
    assert "\n" not in message
