"""``make demo``: damage one day of production, reload it, and show that production equals the source."""

from __future__ import annotations

import logging
import signal
import sys
import time
from datetime import datetime, timedelta

from dagster import DagsterInstance, Definitions, InitLoggerContext, logger

from reload_assets.local import compare, damage
from reload_assets.local.stack import FIRST_DAY, Rows, Stack, since

DAY = FIRST_DAY + timedelta(days=2)
_KINDS = ("missing", "stale", "corrupted", "extra")


def main() -> int:
    """Run the demo; 0 if production equals the source afterwards, else 1."""
    signal.signal(signal.SIGTERM, _interrupt)
    begin = time.monotonic()
    start = datetime(DAY.year, DAY.month, DAY.day)
    end = start + timedelta(days=1)

    def say(text: str) -> None:
        print(f"{since(begin)} {text}", flush=True)

    say("starting PostgreSQL and the DMS stand-in, filling source and production")
    with Stack(Rows()) as stack:
        say(f"up: PostgreSQL on port {stack.postgres.port}, DMS at {stack.dms.url}, no AWS account involved")
        with stack.connect_source() as source, stack.connect_target() as target:
            done = damage.damage(target, start, end, seed=7)
            broken = sum(sum(kinds.values()) for kinds in done.values())
            say(f"damaged {broken} rows of {DAY} in production: missing, stale and corrupted ones")
            before = compare.compare_window(source, target, start, end)
            outside = compare.outside_digest(target, start, end)
            say(f"launching the job reload_sales for the partition {DAY}")
            succeeded = _reload(begin)
            after = compare.compare_window(source, target, start, end)
            untouched = compare.outside_digest(target, start, end) == outside
        print()
        _print_table(before, after)
        equal = succeeded and untouched and all(not _differing(found) for found in after.values())
        print(f"rows outside the window untouched: {_yes(untouched)}")
        print(f"production equals the source for the window: {_yes(equal)}", flush=True)
    return 0 if equal else 1


def _reload(begin: float) -> bool:
    """Run the job as the UI would, with progress on the terminal; whether it succeeded."""
    # Imported late: the module reads reload.yaml, which RELOAD_CONFIG names once the stack is up.
    from reload_assets.definitions import defs

    @logger(None, description="Progress for the terminal")
    def progress(_context: InitLoggerContext) -> logging.Logger:
        log = logging.Logger("demo")
        log.addHandler(_Progress(begin))
        return log

    definitions = Definitions.merge(defs, Definitions(loggers={"console": progress}))
    with DagsterInstance.get() as instance:
        result = definitions.resolve_job_def("reload_sales").execute_in_process(
            instance=instance,
            partition_key=DAY.isoformat(),
            run_config={"loggers": {"console": {}}},
            raise_on_error=False,
        )
        return result.success


class _Progress(logging.Handler):
    """Prints what steps say, and each check and materialization, a line each."""

    def __init__(self, begin: float) -> None:
        super().__init__()
        self.begin = begin

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        text = None
        if event is None and record.levelno >= logging.INFO:
            text = meta.get("orig_message", "")
        elif event is None:
            return
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.event_specific_data
            text = f"check {check.asset_key.to_user_string()} {check.check_name}: {check.description or check.passed}"
        elif event.event_type_value == "ASSET_MATERIALIZATION":
            text = f"materialized {event.asset_key.to_user_string()}"
        elif event.event_type_value in ("STEP_FAILURE", "RUN_FAILURE"):
            text = f"{event.event_type_value}: {event.message}"
        if text:
            print(f"{since(self.begin)}   {text}", flush=True)


def _print_table(before: dict[str, compare.Comparison], after: dict[str, compare.Comparison]) -> None:
    print(f"{'table':<14}{'kind':<12}{'before':>8}{'after':>8}")
    for table in before:
        for kind in _KINDS:
            print(f"{table:<14}{kind:<12}{getattr(before[table], kind):>8}{getattr(after[table], kind):>8}")
        print(f"{table:<14}{'equal':<12}{before[table].equal:>8}{after[table].equal:>8}")
    print()


def _differing(found: compare.Comparison) -> int:
    return sum(int(getattr(found, kind)) for kind in _KINDS)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
