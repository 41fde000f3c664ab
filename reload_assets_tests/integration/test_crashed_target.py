"""After a crash of the target its unlogged tables, such as staging, are empty; no step draws conclusions from that."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.errors import code_of
from reload_assets.errors.reloads import StagingChanged
from reload_assets.ledger.records import Reload
from reload_assets.local.postgres import PostgresServer
from reload_assets.merge.preconditions import count_verified
from reload_assets.merge.statements import merge_statements
from reload_assets.verify.production import verify_merged
from reload_assets_tests.integration.merge_bench import CUSTOMERS, NOON, MergeBench


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server that a test may crash."""
    folder = Path(tempfile.mkdtemp(prefix="reload-crash-"))
    folder.chmod(0o755)
    try:
        with PostgresServer(folder / "pg") as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def confirm_statements(made: MergeBench, reload: Reload) -> ConfirmStatements:
    """The statements of the only table, as confirm composes them."""
    staged = made.ledger.tables(reload.reload_id)
    (statements,) = merge_statements(reload, made.resolve(), staged, made.config.source.zone)
    return ConfirmStatements(statements, exact=True)


def test_a_crash_between_merge_and_confirm_is_noticed(server: PostgresServer) -> None:
    """The staging table is the one that was merged, by its oid, and has no rows any more."""
    made = MergeBench(server.url(), CUSTOMERS)
    reload = made.stage({"customers": [(1, "one", NOON), (2, "two", NOON)]})
    made.merge(reload, awaits_confirm=True)
    in_window, _ = count_verified(made.connection, confirm_statements(made, reload).merge)
    assert in_window == 2
    # What was committed is on disk; the crash comes after it.
    made.execute("CHECKPOINT")
    server.kill()
    server.start()
    made.close()
    with made.target.connect(autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM production.customers").fetchone() == (2,)
        made.connection = connection
        statements = confirm_statements(made, reload).merge
        with pytest.raises(StagingChanged, match=rf"staging\.customers_r{reload.reload_id} has 0 rows, but 2 "):
            count_verified(connection, statements)
        outcome = verify_merged(
            made.target,
            made.config.source.zone,
            made.ledger.get(reload.reload_id),
            statements.table,
            made.ledger.tables(reload.reload_id)["customers"],
            None,
        )[0]
    assert (outcome.check_name, outcome.status) == ("staged_in_production", "could not verify")
    assert code_of(outcome.detail) == "staging-changed"
