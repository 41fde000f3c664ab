"""``make demo``: damages a day of production, reloads it beside CDC, and shows that it equals the source."""

from __future__ import annotations

import logging
import signal
import sys
import time
from datetime import date, datetime, timedelta
from typing import Any

from dagster import DagsterInstance, Definitions, InitLoggerContext, logger
from psycopg import Connection

from reload_assets.local import compare
from reload_assets.local.stack import Stack, last_days, since
from reload_assets.local.traffic import PER_SECOND, Traffic

DAYS = 5
_KINDS = ("missing", "stale", "corrupted", "extra")


def main() -> int:
    """Run the demo. Returns 0 if production equals the source afterwards, else 1."""
    signal.signal(signal.SIGTERM, _interrupt)
    begin = time.monotonic()
    rows = last_days(DAYS)
    day = rows.first_day + timedelta(days=2)
    start = datetime.combine(day, datetime.min.time())
    end = start + timedelta(days=1)

    def say(text: str) -> None:
        print(f"{since(begin)} {text}", flush=True)

    say("starting PostgreSQL and the DMS stand-in, filling source and production, starting the CDC task")
    with Stack(rows) as stack:
        say(f"up: PostgreSQL on port {stack.postgres.port}, DMS at {stack.dms.url}, no AWS account involved")
        with stack.connect_source() as source, stack.connect_target() as target:
            with Traffic(stack.postgres.url("source"), start, end, seed=7) as traffic:
                say(f"from here on about {PER_SECOND} transactions a second change the source, {day} too; CDC follows")
                done = stack.damage(start, end, seed=7)
                broken = sum(sum(kinds.values()) for kinds in done.values())
                say(f"damaged {broken} rows of {day} in production: missing, stale and corrupted ones")
                before = compare.compare_window(source, target, start, end)
                say(f"launching the job reload_sales for the partition {day}")
                succeeded = _reload(begin, day)
            waited = stack.drain()
            say(f"the changes have ended after {traffic.transactions} transactions; CDC had them {waited:.1f} s later")
            after = compare.compare_window(source, target, start, end)
            outside = compare.compare_outside(source, target, start, end)
            print()
            _print_table(before, after)
            print(f"CDC meanwhile: {_meanwhile(stack, target)}")
            print(f"confirm: {_confirmed(target)}")
        same_outside = all(found.same for found in outside.values())
        equal = succeeded and same_outside and all(found.same for found in after.values())
        equal_rows = sum(found.equal for found in outside.values())
        print(f"rows outside the window equal the source's: {_yes(same_outside)} ({equal_rows} rows)")
        print(f"production equals the source for the window: {_yes(equal)}", flush=True)
    return 0 if equal else 1


def _reload(begin: float, day: date) -> bool:
    """Run the job as the UI would, with progress on the terminal. Returns whether it succeeded."""
    # Imported late: the module reads reload.yaml, and RELOAD_CONFIG names it only once the stack is up.
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
            partition_key=day.isoformat(),
            run_config={"loggers": {"console": {}}},
            raise_on_error=False,
        )
        return result.success


class _Progress(logging.Handler):
    """Prints the messages of the steps, and one line per check and materialization."""

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


def _meanwhile(stack: Stack, target: Connection[Any]) -> str:
    applied = ", ".join(f"{rows} {kind}" for kind, rows in stack.rows_applied().items())
    ((skipped,),) = target.execute("SELECT count(*) FROM dmslogs.awsdms_apply_exceptions").fetchall()
    return f"{applied} applied to production; {skipped} changes of rows that production lacked were skipped"


def _confirmed(target: Connection[Any]) -> str:
    """Return the result of the reload's confirm, as the ledger has it."""
    query = "SELECT confirm_detail FROM admin.reloads ORDER BY reload_id DESC LIMIT 1"
    found = target.execute(query).fetchone()
    return str(found[0]) if found else "nothing was reloaded"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
