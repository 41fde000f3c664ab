"""DMS's instants are believed only where the source's clock has been, and the clocks' differences are in the ledger."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest

from reload_assets.errors import ReloadError
from reload_assets.errors.cdc import CdcAhead, CdcBehind
from reload_assets.errors.source import SourceUnreachable
from reload_assets.reload.services import Services
from reload_assets.source.reader import SourceReader
from reload_assets_tests.integration.reload_bench import CONTROL, ReloadBench, reload_bench
from reload_assets_tests.integration.test_cdc_task import CUSTOMERS, DDL, INSERT, OTHER, TABLES

Databases = Callable[[str], str]


@contextmanager
def opened(new_database: Databases) -> Iterator[ReloadBench]:
    with reload_bench(new_database, [CUSTOMERS, OTHER], DDL, TABLES) as bench:
        bench.on_source(INSERT.format(1, "first", 12))
        bench.drain()
        yield bench


def shift_status(bench: ReloadBench, by: str) -> None:
    """DMS writes another time than UTC from now on: whatever it writes is shifted."""
    bench.on_production(
        f"""CREATE FUNCTION {CONTROL}.shift() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            NEW.source_current_timestamp := NEW.source_current_timestamp + interval '{by}';
            NEW.source_tail_timestamp := NEW.source_tail_timestamp + interval '{by}';
            NEW.source_timestamp_applied := NEW.source_timestamp_applied + interval '{by}';
            RETURN NEW;
        END$$;
        CREATE TRIGGER shift BEFORE UPDATE ON {CONTROL}.awsdms_status
        FOR EACH ROW EXECUTE FUNCTION {CONTROL}.shift();
        ALTER TABLE {CONTROL}.awsdms_status ENABLE ALWAYS TRIGGER shift;
        UPDATE {CONTROL}.awsdms_status SET task_status = task_status"""
    )


def test_a_position_ahead_of_the_source_is_refused_at_the_gate(new_database: Databases) -> None:
    with opened(new_database) as bench:
        shift_status(bench, "2 hours")
        with pytest.raises(CdcAhead, match=r"is at .*Z, 7,\d\d\d\.\d s ahead of the source's clock"):
            bench.stage()
        assert bench.on_production("SELECT count(*) FROM admin.reloads") == [(0,)]


def test_a_position_that_runs_ahead_meanwhile_is_not_taken_for_passed(new_database: Databases) -> None:
    with opened(new_database) as bench:
        reload = bench.stage()
        shift_status(bench, "2 hours")
        with pytest.raises(CdcAhead, match=" the source's clock"):
            bench.merge(reload)
        assert bench.on_production("SELECT status FROM admin.reloads") == [("verified",)]


def test_a_confirm_that_meets_such_a_position_stays_unconfirmed(new_database: Databases) -> None:
    with opened(new_database) as bench:
        reload = bench.stage()
        bench.merge(reload)
        shift_status(bench, "2 hours")
        confirmed = bench.confirm(reload)
        assert not confirmed.settled
        assert "ahead of the source's clock" in confirmed.detail


def test_without_the_source_the_targets_clock_has_to_do(new_database: Databases) -> None:
    with opened(new_database) as bench:
        shift_status(bench, "2 hours")
        with pytest.raises(CdcAhead, match=" the target's clock"):
            bench.cdc.require_ready()


def test_the_clocks_are_compared_and_noted(new_database: Databases) -> None:
    with opened(new_database) as bench:
        ((target, dms),) = _offsets(bench)
        assert abs(target) < 2
        # The status is as old as it is.
        assert -10 < dms < 2

        # A source whose clock is ten minutes behind the target's, and what DMS says of it accordingly.
        shift_status(bench, "-10 minutes")
        with bench.cdc.by_source_clock(lambda: datetime.now(timezone.utc) - timedelta(minutes=10)):
            ready = bench.cdc.require_ready()
        assert ready.target_clock_offset is not None
        assert 595 < ready.target_clock_offset < 605
        # By the target's clock it would lag ten minutes, and be refused.
        assert ready.lag_seconds is not None
        assert ready.lag_seconds < 5
        with pytest.raises(CdcBehind, match="600 s"):
            bench.cdc.require_ready()


@pytest.mark.parametrize(("minutes", "error"), [(10, CdcAhead), (-10, CdcBehind)])
def test_a_request_of_a_finder_does_not_wait_for_a_clock(
    new_database: Databases, monkeypatch: pytest.MonkeyPatch, minutes: int, error: type[ReloadError]
) -> None:
    with opened(new_database) as bench:
        services = Services(bench.config, str, str)
        vars(services).update(target=bench.server, _client=bench.account.client)
        shift_status(bench, f"{minutes} minutes")
        # Without a source, the target's clock has to do.
        assert isinstance(services.why_wait("sales", ["customers"]), error)

        def down(patience: float | None = None) -> SourceReader:
            raise SourceUnreachable("db:1521", "refused")

        monkeypatch.setattr(services, "open_source", down)
        assert isinstance(services.why_wait("sales", ["customers"]), error)

        monkeypatch.setattr(services, "open_source", lambda patience=None: bench.reader())
        assert isinstance(services.why_wait("sales", ["customers"]), error)
        monkeypatch.setattr(
            SourceReader, "now", lambda reader: datetime.now(timezone.utc) + timedelta(minutes=minutes, seconds=1)
        )
        assert services.why_wait("sales", ["customers"]) is None


def test_a_target_whose_clock_is_off_is_remarked_on(new_database: Databases) -> None:
    with opened(new_database) as bench:
        assert bench.stage().cdc_remarks == []
        bench.on_production("UPDATE admin.reloads SET status = 'cancelled'")
        open_reader = bench.reader

        def late() -> SourceReader:
            reader = open_reader()
            now = reader.now
            reader.now = lambda: now() + timedelta(minutes=2)  # type: ignore[method-assign]
            return reader

        bench.reader = late
        (remark,) = bench.stage().cdc_remarks
        assert re.search(r"^cdc: the target's clock is 1(19|20)\.\d s behind the source's, more than cdc", remark)
        assert remark in bench.said


def _offsets(bench: ReloadBench) -> list[tuple[float, float]]:
    reload = bench.stage()
    bench.merge(reload)
    bench.confirm(reload)
    return [
        (float(target), float(dms))
        for target, dms in bench.on_production(
            "SELECT target_clock_offset_seconds, dms_clock_offset_seconds FROM admin.reloads"
        )
    ]
